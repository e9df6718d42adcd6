"""Several vectors become one: the mean, or the largest numbers, of the vectors of length 1."""

from __future__ import annotations

import numpy as np

from mmfeat.types import Embeddings, Float64Array, IntArray


def pool(vectors: Embeddings, bounds: IntArray, *, how: str = "mean") -> Float64Array:
    """Make one vector (n, d) of the consecutive `vectors` (p, d) of each row; `how`: mean or max.

    Row i has those from ``bounds[i]`` to ``bounds[i + 1]``; `bounds` is (n + 1,). Vectors are
    scaled to length 1 first. Those that are NaN are left out; a row without any other is NaN.

    >>> pool(np.array([[3.0, 0.0], [0.0, 4.0], [np.nan, 0.0]]), np.array([0, 2, 3]))
    array([[0.5, 0.5],
           [nan, nan]])
    """
    good = ~np.isnan(vectors).any(axis=1)
    rows = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))[good]
    unit = vectors[good].astype(np.float64)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    pooled = np.full((len(bounds) - 1, vectors.shape[1]), np.nan)
    present, first, counts = np.unique(rows, return_index=True, return_counts=True)
    if len(present) and how == "max":
        pooled[present] = np.maximum.reduceat(unit, first)
    elif len(present):
        pooled[present] = np.add.reduceat(unit, first) / counts[:, None]
    return pooled
