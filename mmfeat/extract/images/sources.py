"""Where images lie: in a folder of this machine, or at an address that fsspec reaches."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn, Protocol
from urllib.parse import unquote

from mmfeat.core.address import Address, folder_or_address
from mmfeat.core.files import names_beside
from mmfeat.errors import ExtractError, did_you_mean
from mmfeat.extract.guard import (
    MAX_FILE_BYTES,
    Refusal,
    read_image_file,
    refuse_name,
    too_large,
)
from mmfeat.store.layout import Status

REQUESTS = 8  # at a time and process; s3fs keeps ten connections
FIRST_BYTES = 1 << 24  # asked for at once: few pictures have more
LONGEST = 1024  # bytes of a path; S3 has no longer ones
NAME_IT = "name the folder with --images"


class Images(Protocol):
    """Files by the names that a table gives them."""

    def check(self, remedy: str = NAME_IT) -> None:
        """Raise `ExtractError` with `remedy` where the folder is not there or not to be read."""

    def names(self) -> Iterator[str]:
        """Give the path of every file below the folder, in any order; linked folders as files.

        Raises `ExtractError` where a folder cannot be read.
        """

    def read(self, names: Sequence[str]) -> Iterator[bytes | Refusal]:
        """Give the content of each file, or why there is none, in the order of `names`.

        Raises `ExtractError` where that is not the fault of the file.
        """

    def written(self, name: str) -> int:
        """When the file was written, in ns since 1970; 0 where nobody knows."""


def open_images(place: Path | str) -> Images:
    """Give the images of a folder or an address; neither is looked at before `check`."""
    found = folder_or_address(place)
    return ImagesAt(found) if isinstance(found, Address) else ImagesIn(found)


@dataclass(frozen=True)
class ImagesIn:
    """Images in a folder of this machine, which is resolved."""

    folder: Path

    def __str__(self) -> str:
        """The folder."""
        return str(self.folder)

    def check(self, remedy: str = NAME_IT) -> None:
        """As in `Images`."""
        if not self.folder.is_dir():
            around = self.folder.parent
            folders = [name for name in names_beside(self.folder) if (around / name).is_dir()]
            raise _no_folder(self.folder, did_you_mean(self.folder.name, folders, remedy))

    def names(self) -> Iterator[str]:
        """As in `Images`."""
        for place, folders, files in os.walk(self.folder, onerror=_unreadable):
            links = [name for name in folders if Path(place, name).is_symlink()]
            at = Path(place).relative_to(self.folder)
            yield from (str(at / name) for name in (*files, *links))

    def read(self, names: Sequence[str]) -> Iterator[bytes | Refusal]:
        """As in `Images`: one file after another, each when it is asked for."""
        return (read_image_file(self.folder, name) for name in names)

    def written(self, name: str) -> int:
        """As in `Images`."""
        if not name.strip():
            return 0
        try:
            return (self.folder / name).stat().st_mtime_ns
        except (OSError, ValueError):  # it is gone: what was encoded of it stays
            return 0


@dataclass(frozen=True)
class ImagesAt:
    """Images at an address, several requests at a time; one per picture where all is well.

    Attributes
    ----------
    first_bytes
        How many bytes of a file are asked for at once.
    max_file_bytes
        Larger files are refused.
    """

    address: Address
    first_bytes: int = FIRST_BYTES
    max_file_bytes: int = MAX_FILE_BYTES

    def __str__(self) -> str:
        """The address, without a password."""
        return str(self.address)

    def check(self, remedy: str = NAME_IT) -> None:
        """As in `Images`."""
        self._check(*self.address.open(), remedy)

    def names(self) -> Iterator[str]:
        """As in `Images`."""
        filesystem, root = self.address.open()
        with self.address.errors():
            paths = filesystem.find(root)
        return (path.removeprefix(f"{root}/") for path in paths)

    def read(self, names: Sequence[str]) -> Iterator[bytes | Refusal]:
        """As in `Images`: all of `names` are asked for at once."""
        filesystem, root = self.address.open()
        with ThreadPoolExecutor(min(len(names), REQUESTS) or 1) as pool:
            yield from pool.map(lambda name: self._read(filesystem, root, name), names)

    def written(self, name: str) -> int:
        """0: it would cost a request per picture."""
        return 0

    def _check(self, filesystem: Any, root: str, remedy: str = NAME_IT) -> None:
        try:
            with self.address.errors(FileNotFoundError):
                filesystem.info(root)
        except FileNotFoundError as error:
            raise _no_folder(self.address, remedy) from error

    def _read(self, filesystem: Any, root: str, name: str) -> bytes | Refusal:
        path = f"{root}/{PurePosixPath(name)}"
        once = unquote(name)
        for form in (name, once, unquote(once)):  # as a server or a proxy may read it
            refusal = refuse_name(form.replace("\\", "/"))
            if refusal is not None:
                return refusal
        if len(path.encode("utf-8", "surrogatepass")) > LONGEST:
            return Refusal(Status.REFUSED, "the name is too long")
        try:
            with self.address.errors(FileNotFoundError, PermissionError):
                return self._content(filesystem, path)
        except FileNotFoundError:
            refusal = Refusal(Status.MISSING, "there is no such file")
        except PermissionError as error:
            refusal = Refusal(Status.REFUSED, f"the file cannot be opened: {error}")
        self._check(filesystem, root)  # else it is not the fault of the picture
        return refusal

    def _content(self, filesystem: Any, path: str) -> bytes | Refusal:
        """Read a file; small ones by one request, large ones after a look at their size."""
        try:
            content: bytes = filesystem.cat_file(path, start=0, end=self.first_bytes)
        except Exception:  # an empty file, a folder, an outage: the next request tells
            content = b""
        if 0 < len(content) < self.first_bytes:
            return content
        info = filesystem.info(path)
        size = info["size"] or 0
        if info["type"] != "file":
            return Refusal(Status.REFUSED, "it is not a regular file")
        if size > self.max_file_bytes:
            return too_large(size, allowed=self.max_file_bytes)
        if not size:
            return Refusal(Status.CORRUPT, "the file is empty")
        whole: bytes = filesystem.cat_file(path, start=0, end=size)
        return whole


def _no_folder(place: object, remedy: str) -> ExtractError:
    return ExtractError("the images must be in a folder", f"{place} is not a folder", remedy)


def _unreadable(error: OSError) -> NoReturn:
    raise ExtractError(
        "every folder of images must be readable",
        f"{error.filename}: {error.strerror}",
        "change its permissions, or name another folder with --images",
    )
