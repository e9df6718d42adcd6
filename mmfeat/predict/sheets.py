"""What submissions, samples and solutions share: ids, columns, and the error that names one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from mmfeat.errors import SubmissionError, TableError
from mmfeat.tables.labels.separator import SEPARATORS, find_separator, split_labels
from mmfeat.tables.sheet import Sheet, SheetColumns

MAX_NAMED = 5  # ids or labels in a message
IDS, LABELS = "id", "labels"  # the columns that `predict` writes
PREDICTED = "predicted_labels"  # in place of the latter, beside the table's own columns


@contextmanager
def submission_errors() -> Iterator[None]:
    """Turn the `TableError` of a sheet that cannot be read into a `SubmissionError`."""
    try:
        yield
    except TableError as error:
        raise SubmissionError(error.rule, error.found, error.remedy) from error


def check_same_ids(ids: Iterable[str], wanted: Iterable[str], *, what: str, where: str) -> None:
    """Raise `SubmissionError` unless `ids` of `what` are those of `where`, in any order."""
    found, needed = set(ids), set(wanted)
    for rows, verb in ((needed - found, "lacks"), (found - needed, "has in excess")):
        if rows:
            raise SubmissionError(
                f"the ids of {what} are exactly those of {where}",
                f"{what} {verb} {len(rows)} of {len(needed)}: {name_some(rows)}",
                "check that both are of the same split",
            )


def name_some(names: Iterable[str]) -> str:
    """The first of the names in alphabetical order, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - MAX_NAMED} more" if len(ordered) > MAX_NAMED else ""
    return ", ".join(ordered[:MAX_NAMED]) + more


def columns_of(submission: Sheet, wanted: SheetColumns) -> SheetColumns:
    """The columns of a submission: those that are wanted, or those that `predict` writes.

    Labels that were predicted beside the columns of a table are its labels: the table may have the
    true ones in the column that is wanted.
    """
    if PREDICTED in submission.header:
        wanted = replace(wanted, label_col=PREDICTED)
    names = {"id_col": (wanted.id_col, IDS), "label_col": (wanted.label_col, LABELS)}
    found = {
        field: written
        for field, (name, written) in names.items()
        if name not in submission.header and written in submission.header
    }
    return replace(wanted, **found)


def find_separator_of(
    sheet: Sheet, columns: SheetColumns, labels: Collection[str] | None = None
) -> str:
    """What separates the labels of a sheet: the sign that gives the most known labels.

    Of equal ones that with the fewest unknown labels, then `columns.label_sep`. Without `labels`
    the cells must show it; raises `TableError` where they are doubtful.
    """
    cells = Counter[str]()
    if columns.label_col in sheet.header:
        cells.update(cell for cell in sheet.column(columns.label_col) if cell.strip())
    if labels is None:
        return find_separator(cells, columns.label_col, sheet.source)
    known = set(labels)

    def counts(sign: str) -> tuple[int, int]:
        parts = [part for cell in cells for part in split_labels(cell, sign)]
        n_known = sum(part in known for part in parts)
        return n_known, n_known - len(parts)

    return max((columns.label_sep, *SEPARATORS), key=counts)
