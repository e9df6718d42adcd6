"""Label sets to targets: the order of the labels, and a matrix of 0 and 1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from mmfeat.errors import TableError
from mmfeat.types import Targets

MAX_LABELS = 20_000
FREE_LABELS = 2_000  # that any table may have; more of them are shared by rows


def check_number(n_labels: int, n_rows: int, column: str, source: str) -> None:
    """Raise `TableError` for as many labels as words of free text or names of rows are."""
    if n_labels <= FREE_LABELS or (n_labels <= MAX_LABELS and n_labels <= n_rows):
        return
    raise TableError(
        f"there are at most {FREE_LABELS} labels, or as many as rows, and never over {MAX_LABELS}",
        f"{n_labels} in {n_rows} rows are read from {column} of {source}, which may be free text",
        "name the column of the labels with --label-col, or their separator with --label-sep",
    )


def indicator(rows: Sequence[Sequence[str]], labels: Sequence[str]) -> Targets:
    """The targets (n, k) of the label sets of n rows, with a column for each of k `labels`.

    Raises `KeyError` for a label that is not among `labels`.
    """
    column = {label: i for i, label in enumerate(labels)}
    targets = np.zeros((len(rows), len(labels)), np.uint8)
    counts = np.fromiter(map(len, rows), np.int64, len(rows))
    hits = np.fromiter((column[label] for names in rows for label in names), np.int64)
    targets[np.repeat(np.arange(len(rows)), counts), hits] = 1
    return targets


def sorted_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Sort labels by value if all are whole numbers, otherwise alphabetically."""
    found = list(labels)
    if all(label.isascii() and label.lstrip("-").isdigit() for label in found):
        return tuple(sorted(found, key=lambda label: (int(label), label)))
    return tuple(sorted(found))
