"""Write a submission in the columns, order and delimiter of the sample."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import compress, islice
from pathlib import Path

import numpy as np

from mmfeat.core.checks import check_choice
from mmfeat.core.files import writing
from mmfeat.errors import SubmissionError, TableError, counted
from mmfeat.predict.sheets import check_same_ids, name_some, submission_errors
from mmfeat.tables.label_sets import FORMATS, read_sets
from mmfeat.tables.sheet import FileRows, Sheet, SheetColumns, read_sheet
from mmfeat.types import FloatArray, IntArray, Targets

ROWS_IN_MEMORY = 4096  # of the written file
Cells = Callable[[IntArray], list[list[str]]]  # the cells to fill in, of some rows of the scores


@dataclass(frozen=True, kw_only=True)
class SubmissionReport:
    """What was written or checked.

    Attributes
    ----------
    rows, empty
        Rows of the file, and those without a label.
    labels_per_row
        Mean number of labels.
    changes
        The differences from the file that is replaced; empty if there was none.
    notes
        Remarks, one sentence each.
    """

    path: Path
    rows: int
    empty: int
    labels_per_row: float
    changes: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [
            f"{self.path}: {counted(self.rows, 'row')}, {self.labels_per_row:.2f} labels per row,"
            f" {self.empty} without a label",
            self.changes,
            *self.notes,
        ]
        return "; ".join(part for part in parts if part)


@submission_errors()
def write_submission(
    path: Path,
    *,
    ids: Sequence[str],
    labels: Sequence[str],
    predicted: Targets,
    sample: Path | None = None,
    format: str | None = None,
    probabilities: FloatArray | None = None,
    id_col: str = "ImageID",
    label_col: str = "Labels",
    label_sep: str = " ",
    rows_in_memory: int = ROWS_IN_MEMORY,
) -> SubmissionReport:
    """Replace `path` by the predictions, in the sample's columns, order and delimiter.

    `predicted` of shape (n, k), 0 or 1, with one row per id and one column per label;
    `probabilities` of the same shape for the format `probabilities`. Without `format` it is the
    sample's: `labels` where it has a column `label_col` (or there is no sample), else
    `multihot`. Columns of the sample that are no labels keep their texts. Raises
    `SubmissionError` for missing, additional and repeated ids and for a missing column.
    """
    columns = SheetColumns(id_col=id_col, label_col=label_col, label_sep=label_sep)
    notes: list[str] = []
    if sample is None:
        how = _checked_format(format, "labels")
        names = [label_col] if how == "labels" else list(labels)
        frame = Sheet(source="the scores", header=(id_col, *names), rows=_Blank(ids, len(names)))
        order = frame.ids(columns)
    else:
        frame = read_sheet(sample)
        order = frame.ids(columns)
        _check_unique(ids)
        check_same_ids(ids, order, what="the scores", where=str(sample))
        how = _checked_format(format, "labels" if label_col in frame.header else "multihot")
        if order != list(ids):
            notes.append(f"the order of the ids is taken from {sample}")
    cells = _cells(how, labels, predicted, probabilities, columns)
    names = _columns_to_fill(how, frame, labels, columns)
    at = {name: row for row, name in enumerate(ids)}
    id_place, places = frame.header.index(id_col), [frame.header.index(name) for name in names]
    with writing(path) as partial:
        with partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=frame.delimiter, lineterminator="\n")
            writer.writerow(frame.header)
            left = iter(frame.rows)
            while rows := list(islice(left, rows_in_memory)):
                new = cells(np.array([at[row[id_place]] for row in rows]))
                writer.writerows(_fill(rows, places, new))
        written = FileRows(partial, frame.delimiter)
        changes = _changes(path, replace(frame, rows=written), columns) if path.exists() else ""
    return SubmissionReport(
        path=path,
        rows=len(order),
        empty=int((~predicted.any(axis=1)).sum()),
        labels_per_row=float(predicted.sum() / max(len(predicted), 1)),
        changes=changes,
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Blank:
    """Rows of ids with empty cells beside them."""

    ids: Sequence[str]
    n_cells: int

    def __iter__(self) -> Iterator[list[str]]:
        return ([name, *[""] * self.n_cells] for name in self.ids)


def _checked_format(format: str | None, default: str) -> str:
    if format is None:
        return default
    check_choice("--format", format, FORMATS)
    return format


def _check_unique(ids: Sequence[str]) -> None:
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if repeated:
        raise SubmissionError(
            "the ids of the scores must be unique",
            f"repeated are {name_some(repeated)}",
            "remove the repeated rows of the table",
        )


def _cells(
    how: str,
    labels: Sequence[str],
    predicted: Targets,
    probabilities: FloatArray | None,
    columns: SheetColumns,
) -> Cells:
    """A function that gives the cells of some rows, one per column of `_columns_to_fill`."""
    if how == "labels":
        separator = columns.label_sep
        split = [name for name in labels if separator in name]
        if split:
            raise SubmissionError(
                f"labels are separated by {separator!r} and must not contain it",
                f"{name_some(split)} would be split",
                "choose another --label-sep or --format multihot",
            )
        return lambda rows: [
            [separator.join(compress(labels, row))] for row in predicted[rows].tolist()
        ]
    if how == "multihot":
        return lambda rows: [list(map(str, row)) for row in predicted[rows].tolist()]
    if probabilities is None:
        raise SubmissionError(
            "the format probabilities needs probabilities", "there are none", "pass probabilities=…"
        )
    return lambda rows: [[f"{value:.6g}" for value in row] for row in probabilities[rows].tolist()]


def _columns_to_fill(
    how: str, frame: Sheet, labels: Sequence[str], columns: SheetColumns
) -> list[str]:
    """The columns to fill; raise where the frame lacks one."""
    names = [columns.label_col] if how == "labels" else list(labels)
    for name in names:
        if name not in frame.header:
            raise SubmissionError(
                f"the format {how} needs a column {name!r}",
                f"{frame.source} has {', '.join(frame.header)}",
                "choose another --format, or name the column with --label-col",
            )
    return names


def _fill(
    rows: Sequence[Sequence[str]], places: Sequence[int], cells: Sequence[Sequence[str]]
) -> Iterator[list[str]]:
    """The rows with `cells` at the `places` of each."""
    for row, new in zip(rows, cells, strict=True):
        filled = list(row)
        for place, cell in zip(places, new, strict=True):
            filled[place] = cell
        yield filled


def _changes(path: Path, new: Sheet, columns: SheetColumns) -> str:
    """What changes when `new` replaces the file at `path`, in words."""
    bits: dict[str, int] = {}  # of the labels

    def read(sheet: Sheet) -> dict[str, int]:
        """The label set of each id, as bits: a million sets of texts would fill the memory."""
        ids = sheet.ids(columns)
        sets = (
            sum(1 << bits.setdefault(name, len(bits)) for name in names)
            for names in read_sets(sheet, columns)
        )
        return dict(zip(ids, sets, strict=True))

    try:
        before = read(read_sheet(path))
    except TableError as error:
        return f"it replaces a file that was no submission ({error.found})"
    after = read(new)
    common = before.keys() & after.keys()
    added = sum((after[name] & ~before[name]).bit_count() for name in common)
    removed = sum((before[name] & ~after[name]).bit_count() for name in common)
    changed = sum(after[name] != before[name] for name in common)
    text = f"{counted(changed, 'row')} changed, {counted(added, 'label')} added, {removed} removed"
    if new_rows := len(after) - len(common):
        text += f", {counted(new_rows, 'row is', 'rows are')} new"
    if gone := len(before) - len(common):
        text += f", {counted(gone, 'row is', 'rows are')} gone"
    return text
