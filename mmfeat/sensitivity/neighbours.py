"""Groups of nearest neighbours: ever more distant ones are kept together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmfeat.core.groups import joined_groups, linked_groups
from mmfeat.types import FloatArray, IntArray

SHARES = (0.1, 0.2, 0.3, 0.4)  # of rows that are kept together with a neighbour
LARGEST_PART = 0.2  # of the rows in one group
NEIGHBOURS = 10  # of a row that may be linked to it
BLOCK_ROWS = 1024


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A way to keep neighbours together.

    Attributes
    ----------
    cosine
        From which rows stay together; None: no neighbours do.
    linked
        The share of rows that have a neighbour with them.
    groups
        Of shape (n,); None where every row is on its own.
    """

    cosine: float | None
    linked: float
    groups: IntArray | None


def ways_to_keep(vectors: FloatArray, groups: IntArray | None) -> Iterator[Kept]:
    """Yield `groups`, then ever larger ones, until one of them holds a fifth of the rows.

    `vectors`, (n, d), have length 1. Rows that are related anyway do not count as neighbours.
    """
    yield Kept(cosine=None, linked=0.0, groups=groups)
    n_rows = len(vectors)
    near, cosines = _neighbours(vectors, groups)
    for share in SHARES:
        bound = float(np.quantile(cosines[:, 0], 1 - share))
        at, nth = np.nonzero(cosines >= bound)
        links = np.stack([at, near[at, nth]], axis=1)
        joined = joined_groups(groups, linked_groups(n_rows, links))
        largest = 1 if joined is None else np.unique(joined, return_counts=True)[1].max()
        if largest > LARGEST_PART * n_rows:
            return
        yield Kept(cosine=bound, linked=len(np.unique(links)) / n_rows, groups=joined)


def _neighbours(vectors: FloatArray, groups: IntArray | None) -> tuple[IntArray, FloatArray]:
    """The nearest other rows of each, (n, m), and their cosines, the nearest first."""
    n_rows = len(vectors)
    group = np.arange(n_rows) if groups is None else groups
    most = min(NEIGHBOURS, n_rows - 1)
    near = np.empty((n_rows, most), np.int64)
    cosines = np.empty((n_rows, most), np.float32)
    for start in range(0, n_rows, BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        found = vectors[rows] @ vectors.T
        found[group[rows, None] == group] = -1
        best = np.argpartition(-found, most - 1, axis=1)[:, :most]
        values = np.take_along_axis(found, best, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        near[rows] = np.take_along_axis(best, order, axis=1)
        cosines[rows] = np.take_along_axis(values, order, axis=1)
    return near, cosines
