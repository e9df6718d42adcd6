"""Bytes to text: UTF-8 or, by its mark, UTF-16; and a clear error for anything else."""

from __future__ import annotations

import codecs
import shlex
from collections.abc import Iterator
from pathlib import Path

from mmfeat.core.files import why_no_file
from mmfeat.errors import TableError

MARKS = (  # the longer ones first: that of UTF-32 begins like that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
UTF8 = "utf-8-sig"


def decode(content: bytes, path: str) -> str:
    """Decode UTF-8, or UTF-16 with a mark; raise `TableError` naming the first line that is not."""
    encoding = _encoding(content[:4])
    if encoding == UTF8 and b"\0" in content[:4]:
        kind = "UTF-16LE" if content[1:2] == b"\0" else "UTF-16BE"
        raise _not_utf8(path, f"{path} looks like {kind} without a mark", kind)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(content, path, error, encoding) from error


def read_lines(path: Path) -> Iterator[str]:
    """Read a file of text line by line, line ends included.

    Raises `TableError` for a missing file, and for bytes that `decode` refuses.
    """
    if not path.is_file():
        raise TableError("the file must exist", f"{path} {why_no_file(path)}", "check the path")
    with path.open("rb") as file:
        encoding = _encoding(file.read(4))
    try:
        with path.open(encoding=encoding, newline="") as text:
            yield from text
    except UnicodeDecodeError:
        decode(path.read_bytes(), str(path))  # raises the error that names the line
        raise


def _encoding(start: bytes) -> str:
    return next((name for mark, name in MARKS if start.startswith(mark)), UTF8)


def _undecodable(content: bytes, path: str, error: UnicodeDecodeError, encoding: str) -> TableError:
    """The error for bytes that are no text, with the command that converts them."""
    line = content.count(b"\n", 0, error.start) + 1
    found = f"line {line} of {path} has the byte 0x{content[error.start]:02x}"
    if encoding != UTF8:
        return TableError(
            "a table must be text", f"{found}, which is not {encoding.upper()}", "write it again"
        )
    try:
        content.decode("cp1252")
        likely = "CP1252"
    except UnicodeDecodeError:
        likely = "LATIN1"
    return _not_utf8(path, f"{found} (it may be {likely})", likely)


def _not_utf8(path: str, found: str, likely: str) -> TableError:
    return TableError(
        "a table must be UTF-8 text",
        found,
        f"convert it, e.g. `iconv -f {likely} -t UTF-8 {shlex.quote(path)}`",
    )
