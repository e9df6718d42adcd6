"""csv and tsv, strictly first; then row by row, mending quotes the writer forgot to double.

RFC 4180 wants a quote inside a quoted cell doubled. Where a row breaks that rule, it can still
be read as long as the caption is its last column: everything after the other columns is caption.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from mmfeat.errors import TableError
from mmfeat.tables.columns import Columns
from mmfeat.tables.encoding import decode_utf8

LONGEST_ROW = 200  # lines that one quoted cell may run over when rows have to be mended
csv.field_size_limit(1 << 30)


def read_csv(content: bytes, path: str, text_col: str) -> Columns:
    """Read comma-separated text; see `READERS`."""
    return _read(content, path, text_col, ",")


def read_tsv(content: bytes, path: str, text_col: str) -> Columns:
    """Read tab-separated text; see `READERS`."""
    return _read(content, path, text_col, "\t")


def _read(content: bytes, path: str, text_col: str, separator: str) -> Columns:
    text = decode_utf8(content, path)
    mended: list[int] = []
    try:
        rows = [row for row in _strict(text, separator) if row]
        broken = next((i for i, row in enumerate(rows) if len(row) != len(rows[0])), None)
    except csv.Error:
        rows, broken = [], 0
    if broken is not None:
        rows, mended = _mend(text, path, text_col, separator)
    if not rows:
        return Columns(values={}, n_rows=0)
    header, body = rows[0], rows[1:]
    repeated = next((name for name in header if header.count(name) > 1), None)
    if repeated is not None:
        raise TableError(
            "column names must be unique", f"{path} has {repeated!r} twice", "rename one of them"
        )
    columns: Sequence[Sequence[object]] = list(zip(*body, strict=True)) or [()] * len(header)
    return Columns(
        values=dict(zip(header, columns, strict=True)),
        n_rows=len(body),
        notes=_note(mended),
    )


def _strict(text: str, separator: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))


def _mend(text: str, path: str, text_col: str, separator: str) -> tuple[list[list[str]], list[int]]:
    """Read line by line; return the rows, header first, and the rows that had to be mended."""
    lines = io.StringIO(text, newline="\n").read().split("\n")
    header = _parse(lines[0].rstrip("\r"), separator) or []
    rows, mended, at = [header], [], 1
    while at < len(lines):
        if not lines[at].strip("\r"):
            at += 1
            continue
        row, used = _next_row(lines, at, separator, len(header))
        if row is None:
            row, used = _caption_last(lines[at].rstrip("\r"), separator, len(header)), 1
            if row is None or header[-1] != text_col:
                raise TableError(
                    f"every row must have the {len(header)} columns of the header",
                    f"row {len(rows) - 1} (line {at + 1}) of {path} is {lines[at][:80]!r}",
                    "double the quotes inside quoted cells, or make the caption the last column",
                )
            mended.append(len(rows) - 1)
        rows.append(row)
        at += used
    return rows, mended


def _next_row(
    lines: list[str], at: int, separator: str, width: int
) -> tuple[list[str] | None, int]:
    """Parse the row that begins at line `at`, running on while a quoted cell is open."""
    record = lines[at]
    for used in range(1, min(LONGEST_ROW, len(lines) - at) + 1):
        if used > 1:
            record += "\n" + lines[at + used - 1]
        row = _parse(record.rstrip("\r"), separator)
        if row is not None and len(row) == width:
            return row, used
        if record.count('"') % 2 == 0:  # no cell is open: more lines cannot help
            break
    return None, 1


def _parse(record: str, separator: str) -> list[str] | None:
    try:
        rows = list(csv.reader(io.StringIO(record, newline=""), delimiter=separator, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _caption_last(line: str, separator: str, width: int) -> list[str] | None:
    """Split off the columns before the last; the last is all the rest, less its own quotes."""
    cells: list[str] = []
    rest = line
    for _ in range(width - 1):
        if rest.startswith('"'):
            cell, found, rest = rest[1:].partition(f'"{separator}')
        else:
            cell, found, rest = rest.partition(separator)
        if not found:
            return None
        cells.append(cell.replace('""', '"'))
    if len(rest) > 1 and rest.startswith('"') and rest.endswith('"'):
        rest = rest[1:-1]
    return [*cells, rest.replace('""', '"')]


def _note(mended: list[int]) -> tuple[str, ...]:
    if not mended:
        return ()
    rows = ", ".join(map(str, mended[:5])) + (", …" if len(mended) > 5 else "")
    return (f"{len(mended)} rows had quotes that were not doubled and were mended (rows {rows})",)
