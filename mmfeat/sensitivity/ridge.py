"""Out-of-fold probabilities by ridge regression: a classifier that takes a fraction of a second.

The Gram matrix of the rows that a fold leaves is that of all rows less that of the fold, and one
eigendecomposition gives the solutions of all penalties (Hastie, Tibshirani, Friedman, 2009, 3.4).
"""

from __future__ import annotations

import numpy as np

from mmfeat.types import BoolArray, Float64Array, FloatArray, IntArray

WIDTH = 256  # principal directions that are kept
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)  # as parts of the largest eigenvalue


def principal(vectors: FloatArray) -> Float64Array:
    """Centre vectors (n, d) and give their coordinates (n, m) in the directions of most spread."""
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    kept = directions[:, ::-1][:, : min(WIDTH, len(vectors) - 1)]
    coordinates: Float64Array = centred @ kept
    return coordinates


def out_of_fold(
    vectors: Float64Array, targets: Float64Array, known: BoolArray, folds: IntArray
) -> Float64Array:
    """Score each row without its fold: (n, k) in [0, 1], by the penalty of least squared error.

    `targets`, (n, k), count where they are `known`; elsewhere the mean of the class stands.
    """
    scores = np.empty((len(PENALTIES), *targets.shape))
    gram, cross = vectors.T @ vectors, vectors.T @ targets
    for fold in np.unique(folds):
        held = folds == fold
        inside, outside = vectors[held], ~held
        middle = vectors[outside].mean(axis=0)
        mean, count = targets[outside].mean(axis=0), outside.sum()
        left = gram - inside.T @ inside - count * np.outer(middle, middle)
        right = cross - inside.T @ targets[held] - count * np.outer(middle, mean)
        values, directions = np.linalg.eigh(left)
        rotated, judged = directions.T @ right, (inside - middle) @ directions
        for at, penalty in enumerate(PENALTIES):
            scores[at, held] = mean + judged @ (rotated / (values + penalty * values[-1])[:, None])
    scores = scores.clip(0, 1)
    errors = [np.square(score - targets)[known].mean() for score in scores]
    best: Float64Array = scores[int(np.argmin(errors))]
    return best
