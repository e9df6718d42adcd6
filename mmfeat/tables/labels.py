"""Label cells to targets: separated text, lists, or one column of 0 and 1 per label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mmfeat.errors import TableError
from mmfeat.tables.columns import Columns, as_text
from mmfeat.types import Targets

Labelled = tuple[Targets | None, tuple[str, ...], tuple[str, ...]]  # targets, labels, notes
BITS = {"0": 0, "1": 1, "False": 0, "True": 1, "false": 0, "true": 1}


def targets_from_text(cells: Sequence[object] | None, separator: str) -> Labelled:
    """Read targets from cells that hold separated text or lists of labels.

    There are no targets where the column is missing (None) or has no labels at all.
    """
    if cells is None:
        return None, (), ("it has no label column; the table counts as unlabelled",)
    split: dict[str, tuple[str, ...]] = {}  # most rows share few texts
    rows: list[tuple[str, ...]] = []
    for cell in cells:
        if isinstance(cell, (list, tuple, np.ndarray)):
            rows.append(tuple(name for part in as_text(list(cell)) if (name := part.strip())))
            continue
        text = cell if type(cell) is str else as_text([cell])[0]
        if text not in split:
            split[text] = split_labels(text, separator)
        rows.append(split[text])
    labels = sorted_labels({label for labels in rows for label in labels})
    if not labels:
        return None, (), ("the label column is empty; the table counts as unlabelled",)
    return indicator(rows, labels), labels, ()


def split_labels(cell: str, separator: str) -> tuple[str, ...]:
    """The labels in one cell, without the spaces around them; a space separates at any blank."""
    parts = cell.split() if separator == " " else cell.split(separator)
    return tuple(name for part in parts if (name := part.strip()))


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


def targets_from_columns(columns: Columns, names: Sequence[str], path: Path) -> Labelled:
    """Read targets from one 0/1 column per label, in the order of `names`.

    There are no targets where all columns are missing. Raises `TableError` where some are
    missing, and for a cell that is neither 0 nor 1.
    """
    missing = [name for name in names if name not in columns.values]
    if len(missing) == len(names):
        return None, (), ("it has none of the label columns; the table counts as unlabelled",)
    if missing:
        raise TableError(
            "every label needs its column",
            f"{path} has no column {missing[0]!r}",
            "correct --label-cols",
        )
    targets = np.zeros((columns.n_rows, len(names)), np.uint8)
    for i, name in enumerate(names):
        texts = as_text(columns.values[name])
        bits = list(map(BITS.get, texts))
        if None in bits:
            row = bits.index(None)
            raise TableError(
                "a label column holds 0 or 1",
                f"row {row} of {path} has {texts[row]!r} in {name!r}",
                "correct the cell, or leave the column out of --label-cols",
            )
        targets[:, i] = np.array(bits, np.uint8)
    return targets, tuple(names), ()


def sorted_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Sort labels by value if all are whole numbers, otherwise alphabetically."""
    found = list(labels)
    if all(label.isascii() and label.lstrip("-").isdigit() for label in found):
        return tuple(sorted(found, key=lambda label: (int(label), label)))
    return tuple(sorted(found))
