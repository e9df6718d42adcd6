"""Write a submission as the sample has it, and check one that exists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmfeat.decode import check_choice
from mmfeat.errors import SubmissionError
from mmfeat.files import write_text
from mmfeat.submission.sheet import (
    FORMATS,
    Columns,
    Sheet,
    label_columns,
    named,
    read_numbers,
    read_sets,
    read_sheet,
    same_ids,
    split_cells,
)
from mmfeat.types import FloatArray, Targets


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
        blank = ("",) * len(names)
        rows = tuple((name, *blank) for name in ids)
        frame = Sheet(source="the scores", header=(id_col, *names), rows=rows)
        order = frame.ids(columns)
    else:
        frame = read_sheet(sample)
        order = frame.ids(columns)
        _check_double(ids)
        same_ids(ids, order, what="the scores", where=str(sample))
        how = _checked_format(format, "labels" if label_col in frame.header else "multihot")
        if order != list(ids):
            notes.append(f"the order of the ids is taken from {sample}")
    at = {name: row for row, name in enumerate(ids)}
    cells = _cells(how, labels, predicted, probabilities, columns)
    filled = _fill(frame, [cells[at[name]] for name in order], _target(how, frame, labels, columns))
    changes = _changes(path, filled, columns) if path.exists() else ""
    write_text(path, filled.text())
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
    if labels is not None:
        unknown = {name for names in sets for name in names} - set(labels)
        if unknown:
            raise SubmissionError(
                f"the labels are {named(labels)}",
                f"{path} has {named(unknown)}",
                "use the task's own names",
            )
    total = sum(len(names) for names in sets)
    return SubmissionReport(
        path=path,
        rows=len(ids),
        empty=sum(not names for names in sets),
        labels_per_row=total / max(len(sets), 1),
        notes=tuple(notes),
    )


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


def _cells(
    how: str,
    labels: Sequence[str],
    predicted: Targets,
    probabilities: FloatArray | None,
    columns: Columns,
) -> list[dict[str, str]]:
    """The texts of each row by column name."""
    if how == "labels":
        torn = [name for name in labels if columns.label_sep in name]
        if torn:
            raise SubmissionError(
                f"labels are separated by {columns.label_sep!r} and must not hold it",
                f"{named(torn)} would be torn apart",
                "choose another --label-sep or --format multihot",
            )
        sets = [
            [name for name, on in zip(labels, row, strict=True) if on] for row in predicted.tolist()
        ]
        return [{columns.label_col: columns.label_sep.join(names)} for names in sets]
    if how == "multihot":
        return [dict(zip(labels, map(str, row), strict=True)) for row in predicted.tolist()]
    if probabilities is None:
        raise SubmissionError(
            "the format probabilities needs probabilities", "there are none", "give them"
        )
    return [
        dict(zip(labels, (f"{value:.6g}" for value in row), strict=True))
        for row in probabilities.tolist()
    ]


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


def _fill(frame: Sheet, cells: Sequence[dict[str, str]], names: Sequence[str]) -> Sheet:
    places = {name: frame.header.index(name) for name in names}
    rows = []
    for row, texts in zip(frame.rows, cells, strict=True):
        filled = list(row)
        for name, place in places.items():
            filled[place] = texts[name]
        rows.append(tuple(filled))
    return Sheet(
        source=frame.source, header=frame.header, rows=tuple(rows), delimiter=frame.delimiter
    )


def _changes(path: Path, new: Sheet, columns: Columns) -> str:
    """What writing `new` over the file at `path` changes, in words."""
    try:
        old = read_sheet(path)
        before = dict(zip(old.ids(columns), read_sets(old, columns), strict=True))
    except SubmissionError as error:
        return f"it replaces a file that was no submission ({error.found})"
    after = dict(zip(new.ids(columns), read_sets(new, columns), strict=True))
    common = before.keys() & after.keys()
    added = sum(len(set(after[name]) - set(before[name])) for name in common)
    removed = sum(len(set(before[name]) - set(after[name])) for name in common)
    changed = sum(set(after[name]) != set(before[name]) for name in common)
    text = f"{changed} rows changed, {added} labels added, {removed} removed"
    if new_rows := len(after) - len(common):
        text += f", {new_rows} rows are new"
    if gone := len(before) - len(common):
        text += f", {gone} rows are gone"
    return text
