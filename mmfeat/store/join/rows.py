"""The rows of several stores of one split, matched by id.

They stand in the order of the first store. Where stores have other rows than each other, all rows
of all of them are read: those of the largest store, then what the others add. So their order does
not depend on which store is named first. A row that a store lacks has no embedding there; its
labels are those that other stores have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np

from mmfeat.core.groups import joined_groups
from mmfeat.errors import StoreError, counted
from mmfeat.types import UNKNOWN, Features, FloatArray, IntArray, Targets

SAME_TABLE = "extract both from the same table"
Value = TypeVar("Value")
Places = tuple[IntArray | None, ...]  # per store (n,): its row of each row, or -1; None: the same


@dataclass(frozen=True, kw_only=True)
class MatchedRows:
    """The rows of several stores; `parts` are their contents without embeddings."""

    parts: Sequence[Features]
    paths: Sequence[Path]
    ids: Sequence[str]
    places: Places
    labels: tuple[str, ...]
    targets: Targets | None

    @property
    def groups(self) -> IntArray | None:
        """Related rows, (n,): those that any of the stores relates."""
        return joined_groups(
            *(
                part.groups if at is None or part.groups is None else _spread(part.groups, at)
                for part, at in zip(self.parts, self.places, strict=True)
            )
        )

    def prompts(self, n_stores: int) -> tuple[FloatArray, ...]:
        """Those of the first stores, (k, d) each; none where one of them has none of all labels."""
        parts = self.parts[:n_stores]
        if not all(part.prompts and part.labels == self.labels for part in parts):
            return ()
        return tuple(array for part in parts for array in part.prompts)

    def check_order(self) -> None:
        """Raise `StoreError` where a store has its rows in another order."""
        for path, at in zip(self.paths, self.places, strict=True):
            if at is not None and (np.diff(at[at >= 0]) < 0).any():
                raise StoreError(
                    "feature sets that are read slice by slice have their rows in one order",
                    f"{path} has another than {self.paths[0]}",
                    "extract both from the same table, or leave out --max-memory",
                )


def match_rows(parts: Sequence[Features], paths: Sequence[Path]) -> MatchedRows:
    """Match the rows of stores by id; raise `StoreError` where their labels contradict."""
    sizes = [part.n_rows for part in parts]
    ids: Sequence[str] = parts[0].ids
    order = list(range(len(parts)))
    places: list[IntArray | None] = [None] * len(parts)
    if any(part.ids != ids for part in parts):
        largest = sorted(order, key=lambda at: (-sizes[at], str(paths[at])))
        everything = tuple(dict.fromkeys(chain.from_iterable(parts[at].ids for at in largest)))
        if {len(everything)} != set(sizes):
            ids, order = everything, largest
        places = [None if part.ids == ids else _places(part.ids, ids) for part in parts]
        _check_related(parts, paths, tuple(places), n_rows=len(ids))
    labels, targets = _labels(parts, paths, places, len(ids), order=order)
    return MatchedRows(
        parts=parts, paths=paths, ids=ids, places=tuple(places), labels=labels, targets=targets
    )


def merge(
    columns: Sequence[Sequence[Value] | None], places: Places, *, name: str
) -> Sequence[Value] | None:
    """One column of several stores, (n,): None where no store has it.

    Raises `StoreError` where stores contradict each other, or only some rows have it.
    """
    if all(at is None for at in places) or all(column is None for column in columns):
        return columns[0]
    found: dict[int, Value] = {}
    for column, at in zip(columns, places, strict=True):
        if column is None:
            continue
        rows = range(len(column)) if at is None else np.flatnonzero(at >= 0).tolist()
        for row in rows:
            value = column[row if at is None else int(at[row])]
            if found.setdefault(row, value) != value:
                raise _contradiction(name, f"those of one row are {found[row]} and {value}")
    n_rows = next(len(at) for at in places if at is not None)
    if len(found) < n_rows:
        raise _contradiction(name, f"{counted(n_rows - len(found), 'row has', 'rows have')} none")
    return [found[row] for row in range(n_rows)]


def _places(own: Sequence[str], ids: Sequence[str]) -> IntArray:
    row_of = {id_: row for row, id_ in enumerate(own)}
    return np.fromiter((row_of.get(id_, -1) for id_ in ids), np.int64, len(ids))


def _check_related(
    parts: Sequence[Features], paths: Sequence[Path], places: Places, *, n_rows: int
) -> None:
    """Raise `StoreError` for a store that has no row of any other: it is of another table."""
    has = np.stack([np.ones(n_rows, bool) if at is None else at >= 0 for at in places])
    is_shared = has.sum(axis=0) > 1
    for part, path, rows in reversed(list(zip(parts, paths, has, strict=True))):
        if not is_shared[rows].any():
            raise StoreError(
                "feature sets of a split must be of one table",
                f"none of {counted(part.n_rows, 'id')} of {path} is in another of them,"
                f" e.g. {part.ids[0]!r}",
                SAME_TABLE,
            )


def _spread(groups: IntArray, at: IntArray) -> IntArray:
    """The groups of a store for all rows, (n,): a row that it lacks is related to none."""
    alone = groups.max() + 1 + np.arange(len(at))
    return np.where(at < 0, alone, groups[at])


def _labels(
    parts: Sequence[Features],
    paths: Sequence[Path],
    places: Sequence[IntArray | None],
    n_rows: int,
    *,
    order: Sequence[int],
) -> tuple[tuple[str, ...], Targets | None]:
    """The labels and targets of all rows; labels are those of the stores in that `order`.

    A label that only some stores have is that of rows that the others lack.
    """
    labelled = [at for at in order if parts[at].targets is not None]
    if not labelled:
        return parts[0].labels, None
    own_labels = [parts[at].labels for at in labelled]
    labels = tuple(dict.fromkeys(chain.from_iterable(own_labels)))
    have_all = all(part.n_rows == n_rows for part in parts)
    targets: Targets | None = None
    for at in labelled:
        rows, theirs = _known(parts[at], labels, places[at])
        if targets is None:
            if len(rows) == n_rows:
                targets, known = theirs, np.ones(n_rows, bool)
                continue
            targets, known = (
                np.full((n_rows, len(labels)), UNKNOWN, np.uint8),
                np.zeros(n_rows, bool),
            )
        both = known[rows]
        is_same = not have_all or parts[at].labels == own_labels[0]
        if not is_same or not np.array_equal(theirs[both], targets[rows[both]]):
            raise StoreError(
                "feature sets of a split must have the same labels",
                f"those of {paths[labelled[0]]} and {paths[at]} differ",
                SAME_TABLE,
            )
        if not both.all():
            targets[rows], known[rows] = theirs, True
    return labels, targets


def _known(
    part: Features, labels: tuple[str, ...], at: IntArray | None
) -> tuple[IntArray, Targets]:
    """The rows (m,) that a store has of all, and their targets (m, k) for all labels."""
    targets = part.targets
    assert targets is not None
    if part.labels != labels:
        wider = np.zeros((part.n_rows, len(labels)), np.uint8)
        wider[:, [labels.index(label) for label in part.labels]] = targets
        targets = wider
    if at is None:
        return np.arange(part.n_rows), targets
    rows = np.flatnonzero(at >= 0)
    return rows, targets[at[rows]]


def _contradiction(name: str, found: str) -> StoreError:
    return StoreError(f"feature sets of a split must have the same {name}", found, SAME_TABLE)
