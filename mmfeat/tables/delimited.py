"""csv and tsv, strictly; rows whose quotes the writer forgot to double are mended.

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
    lines = list(io.StringIO(decode_utf8(content, path), newline=""))
    rows: list[list[str]] = []
    mended: list[int] = []
    at = _read_strictly(lines, 0, separator, rows)
    while at < len(lines):
        if not rows:
            raise TableError(
                "the first line must name the columns",
                f"that of {path} is {lines[at][:80]!r}",
                "mend its quotes",
            )
        row, used = _next_row(lines, at, separator, len(rows[0]))
        if row is None:
            row, used = _mended(lines[at], separator, rows, text_col), 1
            if row is None:
                raise TableError(
                    f"every row must have the columns of the header ({len(rows[0])})",
                    f"row {len(rows) - 1} (line {at + 1}) of {path} is {lines[at][:80]!r}",
                    "double the quotes inside quoted cells, or make the caption the last column",
                )
            mended.append(len(rows) - 1)
        rows.append(row)
        at = _read_strictly(lines, at + used, separator, rows)
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
        values=dict(zip(header, columns, strict=True)), n_rows=len(body), notes=_note(mended)
    )


def _read_strictly(lines: list[str], at: int, separator: str, rows: list[list[str]]) -> int:
    """Append rows from line `at` on; return the line of the first that breaks the rule."""
    reader = csv.reader((lines[i] for i in range(at, len(lines))), delimiter=separator, strict=True)
    good = 0
    try:
        for row in reader:
            if row:
                if rows and len(row) != len(rows[0]):
                    return at + good
                rows.append(row)
            good = reader.line_num
    except csv.Error:
        return at + good
    return len(lines)


def _next_row(
    lines: list[str], at: int, separator: str, width: int
) -> tuple[list[str] | None, int]:
    """Parse the row that begins at line `at`, running on while a quoted cell is open."""
    record = ""
    for used in range(1, min(LONGEST_ROW, len(lines) - at) + 1):
        record += lines[at + used - 1]
        try:
            row = next(csv.reader((record,), delimiter=separator, strict=True))
        except csv.Error:
            row = []
        if len(row) == width:
            return row, used
        if record.count('"') % 2 == 0:  # no cell is open: more lines cannot help
            break
    return None, 1


def _mended(line: str, separator: str, rows: list[list[str]], text_col: str) -> list[str] | None:
    """Split off the columns before the caption; it is all the rest, less its own quotes."""
    if rows[0][-1] != text_col:
        return None
    cells: list[str] = []
    rest = line.rstrip("\r\n")
    for _ in rows[0][:-1]:
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
    told = "1 row was" if len(mended) == 1 else f"{len(mended)} rows were"
    return (f"{told} mended where the caption's quotes were not doubled (rows {rows})",)
