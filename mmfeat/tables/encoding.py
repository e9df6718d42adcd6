"""Bytes to text: UTF-8, with or without its mark, and a clear error for anything else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mmfeat.errors import TableError


def decode_utf8(content: bytes, path: str) -> str:
    """Decode UTF-8; raise `TableError` naming the first line that is not."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TableError(
            "a table must be UTF-8 text",
            f"line {line} of {path} has the byte 0x{content[error.start]:02x}"
            " (it may be Latin-1 or UTF-16)",
            f"convert it, e.g. `iconv -f LATIN1 -t UTF-8 {path}`",
        ) from error


def read_lines(path: Path) -> Iterator[str]:
    """Read a UTF-8 file line by line, line ends included.

    Raises `TableError` for a missing file and for anything but UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from file
    except (FileNotFoundError, IsADirectoryError) as error:
        raise TableError("the file must exist", f"{path} does not", "check the path") from error
    except UnicodeDecodeError:
        decode_utf8(path.read_bytes(), str(path))  # raises the error that names the line
        raise
