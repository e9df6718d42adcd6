"""Bytes to text: UTF-8, with or without its mark, and a clear error for anything else."""

from __future__ import annotations

from mmfeat.errors import TableError


def decode_utf8(content: bytes, path: str) -> str:
    """Decode UTF-8; raise `TableError` that names the first line that is not."""
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
