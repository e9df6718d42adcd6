"""The label sets of a sheet, in one of three formats.

`labels` is one column of label names with a separator between them, `multihot` one column of 0
and 1 per label, and `probabilities` the same with numbers from 0 to 1. Columns that are none of
these are ignored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmfeat.errors import TableError
from mmfeat.tables.labels import split_labels
from mmfeat.tables.labels.columns import is_mark, read_columns
from mmfeat.tables.labels.separator import find_separator
from mmfeat.tables.readers.columns import Columns
from mmfeat.tables.sheet import Sheet, SheetColumns, read_sheet
from mmfeat.types import UNKNOWN

FORMATS = ("labels", "multihot", "probabilities")


def read_sets(
    sheet: Sheet, columns: SheetColumns, *, marks: bool = False
) -> Iterator[tuple[str, ...]]:
    """The labels of each row of a sheet of any format; of probabilities those from 0.5 on.

    With `marks`, cells may say that a label is unknown, see `read_unknown`; it is not in the set.
    """
    if columns.label_col in sheet.header:
        yield from split_cells(sheet, columns)
        return
    names = label_columns(sheet, columns, marks=marks)
    for values in _numbers(sheet, names, marks=marks):
        yield tuple(name for name, value in zip(names, values, strict=True) if value >= 0.5)


def read_unknown(sheet: Sheet, columns: SheetColumns) -> list[tuple[str, ...]] | None:
    """The labels of each row of a multihot sheet whose cells say that they are unknown.

    None where none does, or the sheet is of another format. Raises `TableError` for cells that are
    not clear, as in the columns of a table (`mmfeat.tables.labels.columns`).
    """
    if columns.label_col in sheet.header:
        return None
    names = label_columns(sheet, columns, marks=True)
    cells = {name: list(sheet.column(name)) for name in names}
    if not any(is_mark(cell) for column in cells.values() for cell in column):
        return None
    n_rows = len(next(iter(cells.values())))
    found = read_columns(Columns(values=cells, n_rows=n_rows), names, sheet.source)
    unknown = found.targets == UNKNOWN
    return [tuple(compress(found.labels, row)) for row in unknown.tolist()]


def find_sample_separator(path: Path, label_col: str) -> str | None:
    """What separates the labels in the cells of a sheet.

    None where the cells do not show it, or cannot be read.
    """
    try:
        cells = Counter(cell for cell in read_sheet(path).column(label_col) if cell.strip())
        found = find_separator(cells, label_col, str(path))
    except TableError:
        return None
    return found if any(found in cell.strip() for cell in cells) else None


def split_cells(sheet: Sheet, columns: SheetColumns) -> Iterator[tuple[str, ...]]:
    """The labels in each cell of the label column; raise where a row repeats one."""
    for line, cell in enumerate(sheet.column(columns.label_col), start=2):
        names = split_labels(cell, columns.label_sep)
        if len(set(names)) < len(names):
            raise TableError(
                "the labels of a row must be unique",
                f"{sheet.source}, row {line}: {cell!r}",
                "remove the second one",
            )
        yield names


def label_columns(sheet: Sheet, columns: SheetColumns, *, marks: bool = False) -> list[str]:
    """The label columns of a multihot or probabilities sheet: those of numbers from 0 to 1.

    With `marks`, some cells may say that a label is unknown. The id column is never one. Raises
    `TableError` where there are none.
    """
    numeric = {i for i, name in enumerate(sheet.header) if name != columns.id_col}
    marked = set(numeric) if marks else set()
    for row in sheet.rows:
        shares = {i for i in numeric if _share(row[i]) is not None}
        marked -= shares
        numeric = {i for i in numeric if i in shares or (marks and is_mark(row[i]))}
    numeric -= marked  # without a number
    if not numeric:
        raise TableError(
            f"{sheet.source} needs a column {columns.label_col!r}, or one per label",
            f"its columns are {', '.join(sheet.header)}",
            "name the column with --label-col",
        )
    return [sheet.header[i] for i in sorted(numeric)]


def read_numbers(sheet: Sheet, names: Sequence[str]) -> NDArray[np.float64]:
    """The columns `names` as numbers from 0 to 1, (n, k); raise `TableError` for other cells."""
    values = [np.array(row) for row in _numbers(sheet, names)]
    return np.array(values).reshape(len(values), len(names))


def _numbers(sheet: Sheet, names: Sequence[str], *, marks: bool = False) -> Iterator[list[float]]:
    at = [sheet.header.index(name) for name in names]
    for line, row in enumerate(sheet.rows, start=2):
        values = [0.0 if marks and is_mark(row[i]) else _share(row[i]) for i in at]
        valid = [value for value in values if value is not None]
        if len(valid) < len(values):
            wrong = values.index(None)
            raise TableError(
                f"the column {names[wrong]!r} of {sheet.source} holds numbers from 0 to 1",
                f"row {line} has {row[at[wrong]]!r}",
                "correct the cell",
            )
        yield valid


def _share(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None
