"""Folders of other machines: an address that fsspec reaches, e.g. ``s3://bucket/photographs``.

Credentials are never part of mmfeat: each protocol's own package finds them, s3fs for instance in
the environment and the configuration of AWS.
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

LONGEST = 300  # letters of what a backend says
EXTRAS = {"s3": "s3", "s3a": "s3"}  # protocol -> extra of mmfeat


@dataclass(frozen=True)
class Address:
    """A folder that fsspec reaches; made without reaching for it."""

    url: str

    def __str__(self) -> str:
        """The address without a user and password."""
        return self._without_password(self.url)

    def below(self, name: str) -> Address:
        """The address of a folder in this one."""
        return Address(f"{self.url.rstrip('/')}/{name}")

    def open(self) -> tuple[Any, str]:
        """Give the filesystem and the path of the folder in it, without a slash at its end.

        fsspec makes a filesystem per thread: take it here once and hand it to the threads of a
        pool. Raises `ConfigError` for what is no address of a folder, and `PluginError` where the
        protocol needs a package.
        """
        protocol = self.url.partition("://")[0]
        try:
            if "::" in self.url:
                raise ValueError("it is a chain of addresses")
            filesystem, root = url_to_fs(self.url)
            if not root.strip("/"):
                raise ValueError("it names no folder")
        except ImportError as error:
            cause = error.__cause__ or error
            if isinstance(cause, ModuleNotFoundError):
                raise missing_package(str(self), cause, extra=EXTRAS.get(protocol)) from error
            raise PluginError(
                f"{self} needs a package", self._told(error), "install what it asks for"
            ) from error
        except Exception as error:  # the constructors of filesystems raise anything
            raise ConfigError(
                "an address must be that of a folder, by a protocol of fsspec",
                f"{self}: {self._told(error)}",
                "give one such as s3://bucket/folder, or a folder of this machine",
            ) from error
        filesystem.invalidate_cache()  # of listings: others write there, too
        return filesystem, root.rstrip("/")

    @contextmanager
    def errors(self, *passed: type[Exception]) -> Iterator[None]:
        """Turn what a backend raises into an `ExtractError`, but for the types `passed`."""
        try:
            yield
        except passed:
            raise
        except Exception as error:  # botocore, aiohttp, OSError: backends raise anything
            raise ExtractError(
                f"{self} must be reachable",
                self._told(error),
                "see to the address, the network and the credentials and run the same command"
                " again: what is finished is kept",
            ) from error

    def names(self) -> set[str]:
        """The names in the folder; none where it is not there."""
        filesystem, root = self.open()
        with self.errors(), suppress(FileNotFoundError):
            filesystem.info(root)  # of a folder that is not there, s3fs lists the one above
            return {path.rpartition("/")[2] for path in filesystem.ls(root, detail=False)}
        return set()

    def put(self, file: Path) -> None:
        """Copy `file` into the folder, under its name."""
        filesystem, root = self.open()
        with self.errors():
            filesystem.put_file(str(file), f"{root}/{file.name}")

    def get(self, file: Path) -> bool:
        """Replace `file` by what has its name in the folder, if there is such; with its time."""
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
        """Remove those of the names that are there, and nothing else."""
        filesystem, root = self.open()
        for name in self.names().intersection(names):
            with self.errors(), suppress(FileNotFoundError):
                filesystem.rm_file(f"{root}/{name}")

    def _told(self, error: BaseException) -> str:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return self._without_password(text)[:LONGEST]

    def _without_password(self, text: str) -> str:
        found = re.search(r"://([^/]+)@", self.url)
        return text.replace(found[1], "…") if found else text


def folder_or_address(place: Path | str) -> Path | Address:
    """Tell a folder of this machine, resolved, from the address of another."""
    text = str(place)
    protocol, mark, _ = text.partition("://")
    if mark and protocol not in LocalFileSystem.protocol:
        return Address(text)
    return Path(LocalFileSystem._strip_protocol(text) if mark else place).resolve()
