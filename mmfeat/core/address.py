"""Remote folders: an address that fsspec can open, e.g. ``s3://bucket/photographs``.

Credentials stay outside mmfeat: the package of each protocol finds them, s3fs for instance in the
environment and in the configuration of AWS.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from mmfeat.core.files import replacing
from mmfeat.core.plugins import missing_package
from mmfeat.errors import ConfigError, ExtractError, PluginError

MAX_CHARACTERS = 300  # of a backend's message
EXTRAS = {"s3": "s3", "s3a": "s3"}  # protocol -> extra of mmfeat


@dataclass(frozen=True)
class Address:
    """A folder that fsspec can open; creating an `Address` does not connect to it."""

    url: str

    def __str__(self) -> str:
        """The address without a user and password."""
        return self._without_password(self.url)

    def below(self, name: str) -> Address:
        """The address of the subfolder `name`."""
        return Address(f"{self.url.rstrip('/')}/{name}")

    def open(self) -> tuple[Any, str]:
        """Return the filesystem and the path of the folder in it, without a trailing slash.

        fsspec caches one filesystem per thread: open it once and pass it to the threads of a
        pool. Raises `ConfigError` for anything but the address of a folder, and `PluginError`
        where the package of the protocol is not installed.
        """
        protocol = self.url.partition("://")[0]
        try:
            if "::" in self.url:
                raise ValueError("chained addresses are not supported")
            filesystem, root = url_to_fs(self.url)
            if not root.strip("/"):
                raise ValueError("it names no folder")
        except ImportError as error:
            cause = error.__cause__ or error
            if isinstance(cause, ModuleNotFoundError):
                raise missing_package(str(self), cause, extra=EXTRAS.get(protocol)) from error
            raise PluginError(
                f"{self} needs a package", self._message(error), "install that package"
            ) from error
        except Exception as error:  # the constructors of filesystems raise anything
            raise ConfigError(
                "an address must name a folder, with a protocol of fsspec",
                f"{self}: {self._message(error)}",
                "use one such as s3://bucket/folder, or a local folder",
            ) from error
        filesystem.invalidate_cache()  # of listings: other programs write to the folder, too
        return filesystem, root.rstrip("/")

    @contextmanager
    def errors(self, *passed: type[Exception]) -> Iterator[None]:
        """Turn any error of a backend into an `ExtractError`, except the types `passed`."""
        try:
            yield
        except passed:
            raise
        except Exception as error:  # botocore, aiohttp, OSError: backends raise anything
            raise ExtractError(
                f"{self} must be reachable",
                self._message(error),
                "check the address, the network and the credentials, and run the same command"
                " again: finished work is kept",
            ) from error

    def names(self) -> set[str]:
        """The names in the folder; empty where the folder does not exist."""
        filesystem, root = self.open()
        with self.errors(), suppress(FileNotFoundError):
            filesystem.info(root)  # s3fs lists the parent of a missing folder
            return {path.rpartition("/")[2] for path in filesystem.ls(root, detail=False)}
        return set()

    def put(self, file: Path) -> None:
        """Copy `file` into the folder, with the same name."""
        filesystem, root = self.open()
        with self.errors():
            filesystem.put_file(str(file), f"{root}/{file.name}")

    def get(self, file: Path) -> bool:
        """Download the file of that name, with its modification time; False if there is none."""
        filesystem, root = self.open()
        path = f"{root}/{file.name}"
        with self.errors(), suppress(FileNotFoundError), replacing(file) as part:
            filesystem.get_file(path, str(part))
            with suppress(NotImplementedError):
                written = filesystem.modified(path).timestamp()
                os.utime(part, (written, written))
            return True
        return False

    def remove(self, names: Collection[str]) -> None:
        """Remove those of `names` that exist."""
        filesystem, root = self.open()
        for name in self.names().intersection(names):
            with self.errors(), suppress(FileNotFoundError):
                filesystem.rm_file(f"{root}/{name}")

    def _message(self, error: BaseException) -> str:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return self._without_password(text)[:MAX_CHARACTERS]

    def _without_password(self, text: str) -> str:
        found = re.search(r"://([^/]+)@", self.url)
        return text.replace(found[1], "…") if found else text


def folder_or_address(place: Path | str) -> Path | Address:
    """Parse `place`: a local path, resolved, or an `Address` where it has a remote protocol.

    Raises `ConfigError` for what no path can be.
    """
    text = str(place)
    if "\0" in text:
        raise ConfigError("a path has no null character", repr(text[:100]), "correct it")
    protocol, mark, _ = text.partition("://")
    if mark and protocol not in LocalFileSystem.protocol:
        return Address(text)
    return Path(LocalFileSystem._strip_protocol(text) if mark else place).resolve()
