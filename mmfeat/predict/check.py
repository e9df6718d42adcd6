"""Check an existing submission against the sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mmfeat.errors import SubmissionError
from mmfeat.predict.sheets import check_same_ids, name_some, submission_errors
from mmfeat.predict.submission import SubmissionReport
from mmfeat.tables.label_sets import (
    find_sample_separator,
    label_columns,
    read_numbers,
    read_sets,
    split_cells,
)
from mmfeat.tables.labels.separator import spelt
from mmfeat.tables.sheet import SheetColumns, read_sheet


@submission_errors()
def check_submission(
    path: Path,
    sample: Path | None,
    *,
    labels: Sequence[str] | None = None,
    id_col: str = "ImageID",
    label_col: str = "Labels",
    label_sep: str | None = None,
) -> SubmissionReport:
    """Check an existing submission against the sample: columns, ids, labels, numbers.

    `labels` are the valid labels; None allows any. Without `label_sep` the sample shows what
    separates labels, else the submission. Rows in another order than those of the sample, and
    labels that are separated otherwise, are noted. Raises `SubmissionError` for everything that
    Kaggle would refuse.
    """
    if sample is None:
        raise SubmissionError(
            "a submission is checked against the sample", "no sample is given", "give --sample FILE"
        )
    shown = find_sample_separator(path, label_col)
    separator = label_sep or find_sample_separator(sample, label_col) or shown or " "
    columns = SheetColumns(id_col=id_col, label_col=label_col, label_sep=separator)
    found, wanted = read_sheet(path), read_sheet(sample)
    if found.header != wanted.header:
        raise SubmissionError(
            f"the columns must be those of {sample}: {', '.join(wanted.header)}",
            f"{path} has {', '.join(found.header)}",
            "write it again with `mmfeat submit --sample`",
        )
    notes = []
    ids, order = found.ids(columns), wanted.ids(columns)
    check_same_ids(ids, order, what=str(path), where=str(sample))
    if ids != order:
        notes.append("the rows are in a different order than in the sample")
    if found.delimiter != wanted.delimiter:
        notes.append("the delimiter differs from that of the sample")
    if shown is not None and shown.strip() != separator.strip():
        notes.append(f"labels are separated by {spelt(shown)}, expected is {spelt(separator)}")
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
                f"the labels are {name_some(labels)}",
                f"{path} has {name_some(unknown)}",
                "use the label names of the task",
            )
    total = sum(len(names) * rows for names, rows in used.items())
    return SubmissionReport(
        path=path,
        rows=len(ids),
        empty=used[()],
        labels_per_row=total / max(len(ids), 1),
        notes=tuple(notes),
    )
