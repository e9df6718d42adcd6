"""Rows of delimited text, strictly; rows whose quotes the writer forgot to double are repaired.

RFC 4180 wants a quote inside a quoted cell doubled. A row that breaks this rule can still be read
where the caption is its last column: everything after the other columns is caption.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from mmfeat.errors import TableError
from mmfeat.tables.columns import Columns
from mmfeat.tables.encoding import decode_utf8

DELIMITERS = (",", "\t", ";", "|")
MAX_LISTED = 5  # rows that a note lists
Repair = Callable[[str, Sequence[str], int], list[str] | None]  # line, header, row number
csv.field_size_limit(1 << 30)


def read_csv(content: bytes, path: str, text_col: str) -> Columns:
    """Read text whose cells are separated by a comma, tab, ; or |; see `READERS`."""
    text = decode_utf8(content, path)
    delimiter = find_delimiter(text.partition("\n")[0])
    repaired: list[int] = []

    def repair(line: str, header: Sequence[str], number: int) -> list[str] | None:
        row = _caption_last(line, delimiter, header) if header[-1] == text_col else None
        if row is not None:
            repaired.append(number)
        return row

    lines = io.StringIO(text, newline="")
    rows = read_rows(lines, delimiter, source=path, strict=True, repair=repair)
    header = next(rows, None)
    if header is None:
        return Columns(values={}, n_rows=0)
    body = list(rows)
    columns: Sequence[Sequence[object]] = list(zip(*body, strict=True)) or [()] * len(header)
    return Columns(
        values=dict(zip(header, columns, strict=True)), n_rows=len(body), notes=_note(repaired)
    )


def find_delimiter(header: str) -> str:
    """Find the delimiter that stands most often in the header line; a comma where none does."""
    return max(DELIMITERS, key=header.count)


def read_rows(
    lines: Iterable[str],
    delimiter: str,
    *,
    source: str,
    strict: bool,
    repair: Repair | None = None,
) -> Iterator[list[str]]:
    """Parse `lines` into rows: the header, then rows of as many cells; blank lines are skipped.

    With `strict`, quotes must follow RFC 4180. `repair` is asked for the cells of a line that
    cannot be parsed, and gives None where it cannot tell them either. Raises `TableError` for
    repeated column names and rows that cannot be repaired.
    """
    source_lines = iter(lines)
    ahead: deque[str] = deque()  # lines that were read beyond a broken row
    record: list[str] = []  # the lines since the last whole row
    header: list[str] | None = None
    n_rows, n_lines = -1, 0  # whole rows below the header, and the lines of all whole rows

    def feed() -> Iterator[str]:
        while True:
            line = ahead.popleft() if ahead else next(source_lines, None)
            if line is None:
                return
            record.append(line)
            yield line

    while True:
        row: list[str] = []
        try:
            for row in csv.reader(feed(), delimiter=delimiter, strict=strict):
                if row:
                    if header is None:
                        header = _unique(row, source)
                    elif len(row) != len(header):
                        break
                    n_rows += 1
                    yield row
                n_lines += len(record)
                record.clear()
            else:
                return
        except csv.Error:
            row = []
        if header is None:
            raise TableError(
                "the first line must name the columns",
                f"that of {source} is {record[0][:80]!r}",
                "correct its quotes",
            )
        repaired = repair(record[0], header, n_rows) if repair is not None else None
        if repaired is None:
            found = f"has {len(row)}: {record[0][:80]!r}" if row else f"is {record[0][:80]!r}"
            raise TableError(
                f"every row must have the columns of the header ({len(header)})",
                f"row {n_rows} (line {n_lines + 1}) of {source} {found}",
                "double the quotes inside quoted cells, or make the caption the last column",
            )
        n_rows += 1
        n_lines += 1
        ahead.extendleft(reversed(record[1:]))
        record.clear()
        yield repaired


def _unique(header: list[str], source: str) -> list[str]:
    repeated = next((name for name in header if header.count(name) > 1), None)
    if repeated is not None:
        raise TableError(
            "column names must be unique", f"{source} has {repeated!r} twice", "rename one of them"
        )
    return header


def _caption_last(line: str, delimiter: str, header: Sequence[str]) -> list[str] | None:
    """Split off the columns before the caption; it is all the rest, less its own quotes."""
    cells: list[str] = []
    rest = line.rstrip("\r\n")
    for _ in header[:-1]:
        if rest.startswith('"'):
            cell, found, rest = rest[1:].partition(f'"{delimiter}')
        else:
            cell, found, rest = rest.partition(delimiter)
        if not found:
            return None
        cells.append(cell.replace('""', '"'))
    if len(rest) > 1 and rest.startswith('"') and rest.endswith('"'):
        rest = rest[1:-1]
    return [*cells, rest.replace('""', '"')]


def _note(repaired: list[int]) -> tuple[str, ...]:
    if not repaired:
        return ()
    rows = ", ".join(map(str, repaired[:MAX_LISTED]))
    more = ", …" if len(repaired) > MAX_LISTED else ""
    n = "1 row was" if len(repaired) == 1 else f"{len(repaired)} rows were"
    return (f"{n} mended where the caption's quotes were not doubled (rows {rows}{more})",)
