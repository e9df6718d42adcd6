"""A submission, its sample or a solution as a sheet of texts, read row by row.

Three formats hold label sets: `labels` (one column of label names with a separator between
them), `multihot` (one column of 0 and 1 per label) and `probabilities` (the same with numbers
from 0 to 1). Columns that are none of these are kept as they are.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmfeat.errors import SubmissionError

FORMATS = ("labels", "multihot", "probabilities")
DELIMITERS = (",", "\t", ";", "|")
MAX_NAMED = 5  # ids or labels that an error names


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the columns are called, and what separates the labels in a cell."""

    id_col: str = "ImageID"
    label_col: str = "Labels"
    label_sep: str = " "


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """The texts of a csv file: its header, and rows that are all as long as it.

    The rows can be read again and again; those of a file are never in memory all at once.
    """

    source: str
    header: tuple[str, ...]
    rows: Iterable[Sequence[str]]
    delimiter: str = ","

    def column(self, name: str) -> Iterator[str]:
        """The texts of one column; raise `SubmissionError` where there is none of that name."""
        if name not in self.header:
            raise SubmissionError(
                f"{self.source} needs a column {name!r}",
                f"its columns are {', '.join(self.header)}",
                "name the columns with --id-col and --label-col, or mend the header",
            )
        at = self.header.index(name)
        return (row[at] for row in self.rows)

    def ids(self, columns: Columns) -> list[str]:
        """The ids; raise `SubmissionError` where one is empty or occurs twice."""
        seen: dict[str, int] = {}
        for line, name in enumerate(self.column(columns.id_col), start=2):
            if not name or name in seen:
                found = f"it occurs in rows {seen[name]} and {line}" if name else "it is empty"
                raise SubmissionError(
                    f"every id of {self.source} is there once",
                    f"row {line}, id {name!r}: {found}",
                    "remove one of the rows",
                )
            seen[name] = line
        return list(seen)


@dataclass(frozen=True)
class FileRows:
    """The rows of a csv file below its header, read each time they are asked for."""

    path: Path
    delimiter: str
    n_cells: int

    def __iter__(self) -> Iterator[list[str]]:
        lines = _lines(self.path, self.delimiter)
        next(lines, None)
        for number, line in enumerate(lines, start=2):
            if len(line) != self.n_cells:
                raise SubmissionError(
                    f"every row of {self.path} has {self.n_cells} cells",
                    f"row {number} has {len(line)}: {self.delimiter.join(line)[:80]!r}",
                    "quote cells that hold the delimiter",
                )
            yield line


def read_sheet(path: Path) -> Sheet:
    """Open a csv file; its delimiter is the one of , tab ; | that its header has most of.

    Raises `SubmissionError` where it is missing, no text or empty; its rows, as they are read,
    where one is ragged, naming it.
    """
    first = next(_texts(path), "")
    delimiter = max(DELIMITERS, key=first.count)
    header = next(_lines(path, delimiter), None)
    if header is None:
        raise SubmissionError("the file needs a header", f"{path} is empty", "check the path")
    if len(set(header)) < len(header):
        raise SubmissionError(
            "every column has its own name", f"{path}: {', '.join(header)}", "rename one of them"
        )
    rows = FileRows(path, delimiter, len(header))
    return Sheet(source=str(path), header=tuple(header), rows=rows, delimiter=delimiter)


def _lines(path: Path, delimiter: str) -> Iterator[list[str]]:
    """The cells of each line that is not empty."""
    try:
        yield from (line for line in csv.reader(_texts(path), delimiter=delimiter) if line)
    except csv.Error as error:
        raise SubmissionError("the file must be csv", f"{path}: {error}", "mend it") from error


def _texts(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from file
    except (FileNotFoundError, IsADirectoryError) as error:
        raise SubmissionError(
            "the file must exist", f"{path} does not", "check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise SubmissionError(
            "the file must be UTF-8 text", f"{path}: {error}", "save it as UTF-8 csv"
        ) from error


def read_sets(sheet: Sheet, columns: Columns) -> Iterator[tuple[str, ...]]:
    """The labels of each row of a sheet of any format (probabilities from 0.5 on)."""
    if columns.label_col in sheet.header:
        yield from split_cells(sheet, columns)
        return
    names = label_columns(sheet, columns)
    for values in _numbers(sheet, names):
        yield tuple(name for name, value in zip(names, values, strict=True) if value >= 0.5)


def split_cells(sheet: Sheet, columns: Columns) -> Iterator[tuple[str, ...]]:
    """The labels in each cell of the label column; raise where a row names one twice."""
    for line, cell in enumerate(sheet.column(columns.label_col), start=2):
        names = tuple(part.strip() for part in cell.split(columns.label_sep) if part.strip())
        if len(set(names)) < len(names):
            raise SubmissionError(
                "a row names each of its labels once",
                f"{sheet.source}, row {line}: {cell!r}",
                "remove the second one",
            )
        yield names


def label_columns(sheet: Sheet, columns: Columns) -> list[str]:
    """The columns of a multihot or probabilities sheet that are labels: all but the id, if they
    hold numbers."""
    numeric = {i for i, name in enumerate(sheet.header) if name != columns.id_col}
    for row in sheet.rows:
        numeric -= {i for i in numeric if _share(row[i]) is None}
    if not numeric:
        raise SubmissionError(
            f"{sheet.source} needs a column {columns.label_col!r}, or one per label",
            f"its columns are {', '.join(sheet.header)}",
            "name the column with --label-col",
        )
    return [sheet.header[i] for i in sorted(numeric)]


def read_numbers(sheet: Sheet, names: Sequence[str]) -> NDArray[np.float64]:
    """The numbers from 0 to 1 of the columns `names`, (n, k); raise where one is none."""
    values = [np.array(row) for row in _numbers(sheet, names)]
    return np.array(values).reshape(len(values), len(names))


def _numbers(sheet: Sheet, names: Sequence[str]) -> Iterator[list[float]]:
    at = [sheet.header.index(name) for name in names]
    for line, row in enumerate(sheet.rows, start=2):
        values = [_share(row[i]) for i in at]
        sound = [value for value in values if value is not None]
        if len(sound) < len(values):
            wrong = values.index(None)
            raise SubmissionError(
                f"the column {names[wrong]!r} of {sheet.source} holds numbers from 0 to 1",
                f"row {line} has {row[at[wrong]]!r}",
                "mend it",
            )
        yield sound


def same_ids(ids: Iterable[str], wanted: Iterable[str], *, what: str, where: str) -> None:
    """Raise `SubmissionError` unless `ids` of `what` are those that `where` wants, in any order."""
    found, needed = set(ids), set(wanted)
    for rows, verb in ((needed - found, "lacks"), (found - needed, "has in excess")):
        if rows:
            raise SubmissionError(
                f"the ids of {what} are exactly those of {where}",
                f"{what} {verb} {len(rows)} of {len(needed)}: {named(rows)}",
                "check that both are of the same split",
            )


def named(names: Iterable[str]) -> str:
    """Some of the names, sorted, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - MAX_NAMED} more" if len(ordered) > MAX_NAMED else ""
    return ", ".join(ordered[:MAX_NAMED]) + more


def _share(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None
