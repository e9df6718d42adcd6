"""Rows with equal embeddings, bit for bit, and embeddings that many rows share."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from mmfeat.core.memory import slices
from mmfeat.types import FeatureRows, IntArray

READ_ROWS = 8192  # at a time, which bounds the memory
SHARED_ROWS, SHARED_PART = 20, 0.01  # a caption of more rows than both tells nothing of kinship


@dataclass(frozen=True, kw_only=True)
class EqualRows:
    """Which rows of a modality are equal.

    Attributes
    ----------
    keys
        Of shape (n,), uint64: equal for equal embeddings.
    first
        Of shape (n,): the first row with the same embedding; -1 for a row without one, and for
        one that shares it with too many.
    shared
        A row and the number of rows that share its embedding, where they are too many; the most
        frequent first.
    """

    keys: np.ndarray
    first: IntArray
    shared: tuple[tuple[int, int], ...]

    @property
    def distinct(self) -> IntArray:
        """One row of each embedding, ascending."""
        return np.flatnonzero(self.first == np.arange(len(self.first)))

    @property
    def pairs(self) -> IntArray:
        """Each further row with the first that has its embedding, (p, 2)."""
        further = np.flatnonzero((self.first >= 0) & (self.first != np.arange(len(self.first))))
        return np.stack([self.first[further], further], axis=1)


def find_equal(features: FeatureRows, modality: str) -> EqualRows:
    """Find equal rows; what more than a hundredth of the rows share, and more than 20, is left."""
    n_rows = features.n_rows
    keys, empty = np.empty(n_rows, np.uint64), np.empty(n_rows, np.bool_)
    for rows in slices(n_rows, size=READ_ROWS):
        arrays = features.part(rows).embeddings[modality]
        empty[rows] = np.any([np.isnan(array[:, 0]) for array in arrays], axis=0)
        parts = [np.ascontiguousarray(array) for array in arrays]
        keys[rows] = [_digest(vectors) for vectors in zip(*parts, strict=True)]
    _, at, which, counts = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    empty_keys = np.unique(which[empty])
    counts[empty_keys] = 0  # a row that failed is like no other
    too_many = counts > max(SHARED_ROWS, SHARED_PART * n_rows)
    first = np.where((counts == 0) | too_many, -1, at)[which]
    order = np.flatnonzero(too_many)[np.argsort(-counts[too_many], kind="stable")]
    shared = tuple((int(at[key]), int(counts[key])) for key in order)
    return EqualRows(keys=keys, first=first, shared=shared)


def _digest(vectors: tuple[np.ndarray, ...]) -> int:
    total = blake2b(digest_size=8)
    for vector in vectors:
        total.update(vector.data)
    return int.from_bytes(total.digest(), "little")
