"""Rows of delimited text, strictly; rows whose quotes the writer forgot to double are repaired.

RFC 4180 wants a quote inside a quoted cell doubled. A row that breaks this rule can still be read
where the caption is its last column: everything after the other columns is caption.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from mmfeat.errors import TableError, counted
from mmfeat.tables.readers.columns import Columns
from mmfeat.tables.readers.encoding import decode

DELIMITERS = (",", "\t", ";", "|")
MAX_LISTED = 5  # rows that a note lists
SAMPLE_LINES = 20  # that show which delimiter it is
RETURN = "\ufdd0"  # for a carriage return inside a cell, which the parser takes for a line's end
Repair = Callable[[str, Sequence[str], int], list[str] | None]  # line, header, row number
csv.field_size_limit(1 << 30)


def read_csv(content: bytes, path: str, text_col: str) -> Columns:
    """Read text whose cells are separated by a comma, tab, ; or |; see `READERS`."""
    text = decode(content, path)
    delimiter = find_delimiter(list(islice(io.StringIO(text, newline=""), SAMPLE_LINES)))
    repaired: list[int] = []

    def repair(line: str, header: Sequence[str], number: int) -> list[str] | None:
        is_last = header[-1].strip() == text_col
        row = _caption_last(line, delimiter, header) if is_last else None
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
    values: dict[str, Sequence[object]] = {}
    for name, cells in zip(header, columns, strict=True):
        values.setdefault(name, cells)
    return Columns(
        values=values,
        n_rows=len(body),
        notes=_note(repaired),
        repeated=frozenset(repeated_names(header)),
    )


def find_delimiter(lines: Sequence[str]) -> str:
    """Find what separates the cells of the first lines of a file; a comma where nothing does.

    It gives as many cells in each row as in the header; of several that do, the one that stands
    most often in the header.
    """

    def fit(delimiter: str) -> tuple[float, int]:
        try:
            rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            return 0.0, 0
        width = len(rows[0]) if rows else 0
        body = [len(row) == width for row in rows[1:]] or [True]
        return sum(body) / len(body), width

    found = [sign for sign in DELIMITERS if lines and sign in lines[0]]
    return max(found, key=fit, default=",")


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
    rows that cannot be repaired.
    """
    source_lines = _whole_lines(iter(lines))
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
                        header = row
                    elif len(row) != len(header):
                        break
                    n_rows += 1
                    yield _with_returns(row, record)
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
            found, remedy = _broken(row, header, delimiter)
            raise TableError(
                f"every row must have the columns of the header ({len(header)})",
                f"row {n_rows} (line {n_lines + 1}) of {source} {found} {record[0][:80]!r}",
                remedy,
            )
        n_rows += 1
        n_lines += 1
        ahead.extendleft(reversed(record[1:]))
        yield _with_returns(repaired, record)
        record.clear()


def repeated_names(header: Iterable[str]) -> list[str]:
    """The names that stand in the header more than once."""
    return [name for name, count in Counter(header).items() if count > 1 and name.strip()]


def _whole_lines(lines: Iterator[str]) -> Iterator[str]:
    """Join lines at carriage returns that end none: those inside cells, as pandas writes them.

    Where the header ends in a carriage return alone, the others do so, too.
    """
    header = next(lines, None)
    if header is None:
        return
    yield header
    if not header.endswith("\n"):
        yield from lines
        return
    begun = ""
    for line in lines:
        if line.endswith("\r"):
            begun += line[:-1] + RETURN
        elif begun:
            yield (begun[:-1] if line == "\r\n" else begun) + line
            begun = ""
        else:
            yield line
    if begun:
        yield begun.rstrip(RETURN) + "\n"


def _with_returns(row: list[str], record: Sequence[str]) -> list[str]:
    if not any(RETURN in line for line in record):
        return row
    return [cell.replace(RETURN, "\r") for cell in row]


def _broken(row: Sequence[str], header: Sequence[str], delimiter: str) -> tuple[str, str]:
    """What is wrong with a row, and what to do."""
    caption_last = "or make the caption the last column"
    if not row:
        return "is", f"double the quotes inside quoted cells, {caption_last}"
    if len(row) > len(header):
        return f"has {len(row)}:", f"quote the cells that hold {delimiter!r}, {caption_last}"
    missing = delimiter * (len(header) - len(row))
    return (
        f"has {len(row)}:",
        f"end it with {missing[:9]!r} if its last cells are empty, or quote a cell that a line"
        " break cuts in two",
    )


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
    which = "row" if len(repaired) == 1 else "rows"
    more = ", …" if len(repaired) > MAX_LISTED else ""
    n = counted(len(repaired), "row was", "rows were")
    return (f"{n} mended: commas or quotes in the caption were not quoted ({which} {rows}{more})",)
