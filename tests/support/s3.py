"""An S3 of this machine for tests: moto's server, which can be stopped and started again."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it tells of every request


class S3:
    """A server at a port, with a bucket that is empty at first and outlives a stop."""

    bucket = "made-up"

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: Any = None

    def reset(self) -> None:
        """Start where it was stopped, and empty the bucket."""
        if self._server is None:
            self.start()
        S3FileSystem.clear_instance_cache()
        self.files = S3FileSystem()
        if self.files.exists(self.bucket):
            self.files.rm(self.bucket, recursive=True)
        self.files.mkdir(self.bucket)

    def start(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self._port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
        self._server = None

    def address(self, name: str) -> str:
        """The address of a folder of the bucket."""
        return f"s3://{self.bucket}/{name}"

    def upload(self, folder: Path) -> str:
        """Copy the files of a folder into one of the same name; its address."""
        for file in folder.iterdir():
            self.files.put_file(str(file), f"{self.bucket}/{folder.name}/{file.name}")
        return self.address(folder.name)

    def names(self) -> list[str]:
        """Everything in the bucket."""
        self.files.invalidate_cache()
        found = self.files.find(self.bucket)
        return sorted(name.removeprefix(f"{self.bucket}/") for name in found)
