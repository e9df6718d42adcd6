"""Write a submission as the sample has it, and check one that exists."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress, islice
from pathlib import Path

import numpy as np

from mmfeat.core.checks import check_choice
from mmfeat.core.files import replacing
from mmfeat.errors import SubmissionError
from mmfeat.tables.sheet import (
    FORMATS,
    Columns,
    FileRows,
    Sheet,
    label_columns,
    named,
    read_numbers,
    read_sets,
    read_sheet,
    same_ids,
    split_cells,
)
from mmfeat.types import FloatArray, IntArray, Targets

ROWS_AT_ONCE = 4096  # that are texts in memory
Texts = Callable[[IntArray], list[list[str]]]  # the cells of some rows of the scores


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
        What is different from the file that was there before; empty if there was none.
    notes
        What was mended, one sentence each.
    """

    path: Path
    rows: int
    empty: int
    labels_per_row: float
    changes: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [
            f"{self.path}: {self.rows} rows, {self.labels_per_row:.2f} labels per row,"
            f" {self.empty} without a label",
            self.changes,
            *self.notes,
        ]
        return "; ".join(part for part in parts if part)


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
) -> SubmissionReport:
    """Replace `path` by the predictions, in the sample's columns, order and delimiter.

    `predicted` of shape (n, k), 0 or 1, with one row per id and one column per label;
    `probabilities` of the same shape for the format `probabilities`. Without `format` it is the
    sample's: `labels` where it has a column `label_col` (or there is no sample), else
    `multihot`. Columns of the sample that are no labels keep their texts. Raises
    `SubmissionError` where ids are missing, in excess or double, or a column is missing.
    """
    columns = Columns(id_col=id_col, label_col=label_col, label_sep=label_sep)
    notes: list[str] = []
    if sample is None:
        how = _checked_format(format, "labels")
        names = [label_col] if how == "labels" else list(labels)
        frame = Sheet(source="the scores", header=(id_col, *names), rows=_Blank(ids, len(names)))
        order = frame.ids(columns)
    else:
        frame = read_sheet(sample)
        order = frame.ids(columns)
        _check_double(ids)
        same_ids(ids, order, what="the scores", where=str(sample))
        how = _checked_format(format, "labels" if label_col in frame.header else "multihot")
        if order != list(ids):
            notes.append(f"the order of the ids is taken from {sample}")
    texts = _texts(how, labels, predicted, probabilities, columns)
    names = _target(how, frame, labels, columns)
    with replacing(path) as partial:
        with partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=frame.delimiter, lineterminator="\n")
            writer.writerow(frame.header)
            at = {name: row for row, name in enumerate(ids)}
            writer.writerows(_filled(frame, columns, at, texts, names))
        written = FileRows(partial, frame.delimiter, len(frame.header))
        changes = _changes(path, replace(frame, rows=written), columns) if path.exists() else ""
    return SubmissionReport(
        path=path,
        rows=len(order),
        empty=int((~predicted.any(axis=1)).sum()),
        labels_per_row=float(predicted.sum() / max(len(predicted), 1)),
        changes=changes,
        notes=tuple(notes),
    )


def check_submission(
    path: Path,
    sample: Path | None,
    *,
    labels: Sequence[str] | None = None,
    id_col: str = "ImageID",
    label_col: str = "Labels",
    label_sep: str = " ",
) -> SubmissionReport:
    """Check an existing submission against the sample: columns, ids, labels, numbers.

    `labels` are the names allowed; None: any. Rows in another order than the sample's are noted.
    Raises `SubmissionError` for whatever Kaggle would refuse.
    """
    if sample is None:
        raise SubmissionError(
            "a submission is checked against the sample", "none is named", "give --sample FILE"
        )
    columns = Columns(id_col=id_col, label_col=label_col, label_sep=label_sep)
    found, wanted = read_sheet(path), read_sheet(sample)
    if found.header != wanted.header:
        raise SubmissionError(
            f"the columns are those of {sample}: {', '.join(wanted.header)}",
            f"{path} has {', '.join(found.header)}",
            "write it again with `mmfeat submit --sample`",
        )
    notes = []
    ids, order = found.ids(columns), wanted.ids(columns)
    same_ids(ids, order, what=str(path), where=str(sample))
    if ids != order:
        notes.append("the rows are in another order than the sample's")
    if found.delimiter != wanted.delimiter:
        notes.append("the delimiter is another one than the sample's")
    if label_col in found.header:
        sets = split_cells(found, columns)
    else:
        read_numbers(found, label_columns(wanted, columns))
        sets = read_sets(found, columns)
    used = Counter(sets)
    if labels is not None:
        unknown = {name for names in used for name in names} - set(labels)
        if unknown:
            raise SubmissionError(
                f"the labels are {named(labels)}",
                f"{path} has {named(unknown)}",
                "use the task's own names",
            )
    total = sum(len(names) * rows for names, rows in used.items())
    return SubmissionReport(
        path=path,
        rows=len(ids),
        empty=used[()],
        labels_per_row=total / max(len(ids), 1),
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


def _check_double(ids: Sequence[str]) -> None:
    double = [name for name, count in Counter(ids).items() if count > 1]
    if double:
        raise SubmissionError(
            "every id of the scores is there once", f"double are {named(double)}", "mend the table"
        )


def _texts(
    how: str,
    labels: Sequence[str],
    predicted: Targets,
    probabilities: FloatArray | None,
    columns: Columns,
) -> Texts:
    """What gives the texts of some rows, one per column of `_target`."""
    if how == "labels":
        separator = columns.label_sep
        torn = [name for name in labels if separator in name]
        if torn:
            raise SubmissionError(
                f"labels are separated by {separator!r} and must not hold it",
                f"{named(torn)} would be torn apart",
                "choose another --label-sep or --format multihot",
            )
        return lambda rows: [
            [separator.join(compress(labels, row))] for row in predicted[rows].tolist()
        ]
    if how == "multihot":
        return lambda rows: [list(map(str, row)) for row in predicted[rows].tolist()]
    if probabilities is None:
        raise SubmissionError(
            "the format probabilities needs probabilities", "there are none", "give them"
        )
    return lambda rows: [[f"{value:.6g}" for value in row] for row in probabilities[rows].tolist()]


def _target(how: str, frame: Sheet, labels: Sequence[str], columns: Columns) -> list[str]:
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


def _filled(
    frame: Sheet, columns: Columns, at: Mapping[str, int], texts: Texts, names: Sequence[str]
) -> Iterator[Sequence[str]]:
    """The rows of the frame with `texts` in the columns `names`; `at` is each id's row there."""
    places = [frame.header.index(name) for name in names]
    place_of_id = frame.header.index(columns.id_col)
    left = iter(frame.rows)
    while rows := list(islice(left, ROWS_AT_ONCE)):
        found = texts(np.array([at[row[place_of_id]] for row in rows]))
        for row, cells in zip(rows, found, strict=True):
            filled = list(row)
            for place, cell in zip(places, cells, strict=True):
                filled[place] = cell
            yield filled


def _changes(path: Path, new: Sheet, columns: Columns) -> str:
    """What writing `new` over the file at `path` changes, in words."""
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
    except SubmissionError as error:
        return f"it replaces a file that was no submission ({error.found})"
    after = read(new)
    common = before.keys() & after.keys()
    added = sum((after[name] & ~before[name]).bit_count() for name in common)
    removed = sum((before[name] & ~after[name]).bit_count() for name in common)
    changed = sum(after[name] != before[name] for name in common)
    text = f"{changed} rows changed, {added} labels added, {removed} removed"
    if new_rows := len(after) - len(common):
        text += f", {new_rows} rows are new"
    if gone := len(before) - len(common):
        text += f", {gone} rows are gone"
    return text
