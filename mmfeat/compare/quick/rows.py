"""The rows of a sketch: drawn by their ids, related where they are near-copies, and parted.

All feature sets keep the same rows, so they are drawn once, from the rows of all sets together.
Near-copies are looked for among the drawn rows only. A third of the rows judges heads that learn
once from the others: for the price of half of three folds, heads learn from as many rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mmfeat.core.workspace import Workspace
from mmfeat.fit.held_out import way_of_folds
from mmfeat.fit.training_data import Stores
from mmfeat.near.groups import link_groups
from mmfeat.near.links import find_links
from mmfeat.runs.config import RunConfig
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.runs.run import FEW_ROWS
from mmfeat.types import FeatureRows, Features, Float64Array, IntArray, Targets

SHARE, FEWEST_ROWS, MOST_ROWS = 0.3, 3_000, 9_000
PARTS = 3  # of the rows, one of which judges
BLOCK_ROWS = 4096  # that are read at a time


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Rows of a sketch, of shape (n,) or (n, k) where they are arrays.

    Attributes
    ----------
    of
        The number of rows that they were drawn from.
    is_random
        Whether heads are judged by rows that are held out at random.
    """

    ids: tuple[str, ...]
    targets: Targets
    labels: tuple[str, ...]
    groups: IntArray | None
    fold_names: tuple[str, ...] | None
    times: Float64Array | None
    of: int
    is_random: bool

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each id."""
        return {row_id: place for place, row_id in enumerate(self.ids)}

    def take(self, rows: IntArray) -> Drawn:
        """The chosen rows."""
        names = self.fold_names
        return replace(
            self,
            ids=tuple(self.ids[row] for row in rows.tolist()),
            targets=self.targets[rows],
            groups=None if self.groups is None else self.groups[rows],
            fold_names=None if names is None else tuple(names[row] for row in rows.tolist()),
            times=None if self.times is None else self.times[rows],
        )


def draw_rows(workspace: Workspace, cell: RunConfig) -> Drawn:
    """Draw rows of the split of a cell that has the rows of all feature sets.

    The same features give the same rows. Raises as `Stores.load` does.
    """
    training = replace(Stores.of(cell), near_copies="off").load(workspace)
    whole, names, times = training.features, training.fold_names, training.times
    rows = drawn(whole.ids, whole.groups)
    found = _take(whole, rows)
    groups = found.groups
    if cell.near_copies == "on":
        groups = link_groups(groups, find_links(found), found.ids).groups
    return Drawn(
        ids=tuple(found.ids),
        targets=training.targets[rows],
        labels=whole.labels,
        groups=groups,
        fold_names=None if names is None else tuple(names[row] for row in rows.tolist()),
        times=None if times is None else times[rows],
        of=whole.n_rows,
        is_random=way_of_folds(cell, training) == "random",
    )


def part_rows(rows: Drawn) -> tuple[Drawn, Drawn] | None:
    """Rows to learn from and rows that judge; None where few, or not held out at random."""
    if len(rows.ids) <= FEW_ROWS or not rows.is_random:
        return None
    parts = make_folds(rows.targets, n_folds=PARTS, seed=0, groups=rows.groups)
    learned, judging = (np.flatnonzero(chosen) for chosen in (parts != 0, parts == 0))
    return rows.take(learned), rows.take(judging)


def drawn(ids: Sequence[str], groups: IntArray | None) -> IntArray:
    """Rows of a random share, by the digest of their id or of that of their group's first row."""
    n_rows = len(ids)
    share = min(max(SHARE * n_rows, FEWEST_ROWS), MOST_ROWS) / n_rows
    units = np.arange(n_rows)
    if groups is not None:
        _, first, which = np.unique(groups, return_index=True, return_inverse=True)
        units = first[which]
    chosen = np.array([_number(ids[unit]) < share for unit in units.tolist()])
    return np.flatnonzero(chosen)


def _number(text: str) -> float:
    """A number in [0, 1) that looks random, and is always the same for a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def _take(features: FeatureRows, rows: IntArray) -> Features:
    """Some rows, ascending, in memory; what is in files is read in blocks."""
    parts = []
    for start in range(0, features.n_rows, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, features.n_rows)
        low, high = np.searchsorted(rows, (start, stop)).tolist()
        parts.append(features.part(slice(start, stop)).take(rows[low:high] - start))
    groups = [part.groups for part in parts if part.groups is not None]
    return replace(
        parts[0],
        ids=tuple(row_id for part in parts for row_id in part.ids),
        embeddings={
            modality: tuple(
                np.concatenate(arrays)
                for arrays in zip(*(part.embeddings[modality] for part in parts), strict=True)
            )
            for modality in parts[0].embeddings
        },
        targets=None,
        groups=np.concatenate(groups) if groups else None,
    )
