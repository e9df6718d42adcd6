"""Pairs of rows whose cosine is at least a bound: exact up to 100,000 rows, by an index beyond."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from mmfeat.near.index import index_candidates
from mmfeat.near.projection import Projection
from mmfeat.near.rows import UnitRows
from mmfeat.types import FloatArray, IntArray

EXACT_ROWS = 100_000
TILE_ROWS = 1024  # whose products with as many stay in the cache until they are compared
CHECK_ROWS = 8192  # pairs of vectors in memory
MOST_PAIRS = 1_000_000
BELOW_ONE = np.float32(1 - 2**-24)  # 1 is for rows that are equal bit for bit


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows, and how near they are.

    Attributes
    ----------
    rows
        Of shape (p, 2): two rows of one split, the smaller first; or a row of each of two splits.
    cosines
        Of shape (p,), float32; 1 where the rows are equal bit for bit, else below.
    """

    rows: IntArray
    cosines: FloatArray

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def join(cls, parts: list[Pairs]) -> Pairs:
        """Put pairs one after another."""
        rows = [np.zeros((0, 2), np.int64), *(part.rows for part in parts)]
        cosines = [np.zeros(0, np.float32), *(part.cosines for part in parts)]
        return cls(np.concatenate(rows), np.concatenate(cosines))

    def distinct(self) -> Pairs:
        """Give every pair once: the index finds one from both of its rows."""
        rows, first = np.unique(self.rows, axis=0, return_index=True)
        return Pairs(rows, self.cosines[first])

    def best_first(self) -> Pairs:
        """Order them by falling cosine, equal ones by row."""
        order = np.lexsort((self.rows[:, 1], self.rows[:, 0], -self.cosines))
        return Pairs(self.rows[order], self.cosines[order])


def find_pairs(
    left: UnitRows,
    right: UnitRows | None,
    projection: Projection,
    bound: float,
    *,
    exact_rows: int = EXACT_ROWS,
    most_pairs: int = MOST_PAIRS,
    block_rows: int = TILE_ROWS,
) -> Pairs:
    """Find the pairs with a cosine of at least `bound`, within `left` or between the two.

    Beyond `exact_rows` of either, the index finds most of them; raises `PluginError` where its
    library is missing. Of more than `most_pairs`, those are kept that hold the same rows together.
    The exact search holds the products of `block_rows` and `block_rows` at a time. Rows are places
    of `left` and `right`.
    """
    n_rows = max(len(left), len(right or ()))
    find = partial(_candidates, block_rows=block_rows) if n_rows <= exact_rows else index_candidates
    found: list[Pairs] = []
    for places in find(left, right, projection, bound):
        found.append(_checked(left, left if right is None else right, places, bound))
        if sum(map(len, found)) > 2 * most_pairs:
            found = [spanning(Pairs.join(found).distinct(), len(left), len(right or ()))]
    pairs = Pairs.join(found).distinct()
    if len(pairs) > most_pairs:
        pairs = spanning(pairs, len(left), len(right or ()))
    return pairs


def _candidates(
    left: UnitRows,
    right: UnitRows | None,
    projection: Projection,
    bound: float,
    *,
    block_rows: int,
) -> Iterator[IntArray]:
    """Yield the pairs of places (p, 2) that are above the bound when projected."""
    columns = _projected(left if right is None else right, projection)
    blocks = None if right is None else left.blocks(size=block_rows)
    for start in range(0, len(left), block_rows):
        if blocks is None:
            rows = columns[start : start + block_rows]
        else:
            rows = projection.project(next(blocks)[1])
        for other in range(start if right is None else 0, len(columns), block_rows):
            near = rows @ columns[other : other + block_rows].T >= bound
            at, beside = np.divmod(np.flatnonzero(near), near.shape[1])
            if right is None and other == start:
                upper = at < beside
                at, beside = at[upper], beside[upper]
            if len(at):
                yield np.stack([at + start, beside + other], axis=1)


def _projected(rows: UnitRows, projection: Projection) -> FloatArray:
    out = np.empty((len(rows), projection.width), np.float32)
    for start, vectors in rows.blocks():
        out[start : start + len(vectors)] = projection.project(vectors)
    return out


def _checked(left: UnitRows, right: UnitRows, places: IntArray, bound: float) -> Pairs:
    """Those of the pairs of places that are above the bound in full width, as pairs of places."""
    first, at = np.unique(places[:, 0], return_inverse=True)
    second, beside = np.unique(places[:, 1], return_inverse=True)
    a, b = left.take(first), right.take(second)
    if len(first) * len(second) < 16 * len(places):  # dense: one product is cheaper
        cosines = (a @ b.T)[at, beside]
    else:
        cosines = np.empty(len(places), np.float32)
        for start in range(0, len(places), CHECK_ROWS):
            some = slice(start, start + CHECK_ROWS)
            cosines[some] = np.einsum("ij,ij->i", a[at[some]], b[beside[some]])
    near = cosines >= bound
    return Pairs(places[near], np.minimum(cosines[near], BELOW_ONE))


def spanning(pairs: Pairs, n_left: int, n_right: int = 0) -> Pairs:
    """Keep the nearest pairs that hold the same rows together: a spanning forest.

    `n_right` is 0 where both rows of a pair are of the same split.
    """
    from scipy.sparse import coo_array  # noqa: PLC0415 - takes half a second to load
    from scipy.sparse.csgraph import minimum_spanning_tree  # noqa: PLC0415

    n_rows = n_left + n_right
    first, second = pairs.rows[:, 0], pairs.rows[:, 1] + (n_left if n_right else 0)
    lengths = 2.0 - pairs.cosines.astype(np.float64)  # 0 would be no pair
    graph = coo_array((lengths, (first, second)), shape=(n_rows, n_rows))
    tree = minimum_spanning_tree(graph.tocsr()).tocoo()
    rows = np.sort(np.stack([tree.row, tree.col], axis=1), axis=1).astype(np.int64)
    if n_right:
        rows[:, 1] -= n_left
    return Pairs(rows, (2.0 - tree.data).astype(np.float32))
