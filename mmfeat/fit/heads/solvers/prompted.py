"""What prompts of the labels say about the weights of a linear head, before its rows do.

The score of a row for a label is its similarity to the label's prompt, in each block of its
numbers. One logistic regression of all cells, which has a scale per block and an offset, turns
scores into logits (as the head zeroshot does). The scales times the prompts are weights, around
which the weights of a regression can be held (LP++, arXiv:2404.02285, has them learned instead).
"""

from __future__ import annotations

import numpy as np

from mmfeat.decide.calibration.logistic import logistic
from mmfeat.fit.heads.streaming import in_order
from mmfeat.metrics.known import of_known
from mmfeat.types import FloatArray, IntArray, Matrix, Targets

MOST_CELLS = 1 << 17  # rows × labels that the scales are fitted on; more change them little


def prompted_weights(
    x: Matrix,
    y: Targets,
    rows: IntArray,
    *,
    prompts: FloatArray,
    blocks: tuple[int, ...],
    seed: int,
) -> FloatArray:
    """Weights (d, k) of labels with `prompts` (k, d), from the chosen `rows`, ascending.

    `x` is of shape (n, d), in blocks of these widths, and `y` of shape (n, k), 255 where unknown.
    """
    n_rows = max(1, MOST_CELLS // y.shape[1])
    if len(rows) > n_rows:
        rows = np.sort(np.random.default_rng(seed).choice(rows, n_rows, replace=False))
    ends = np.cumsum(blocks)[:-1]
    directions = [
        part.T / np.maximum(np.linalg.norm(part, axis=1), 1e-30)
        for part in np.split(prompts.astype(np.float32), ends, axis=1)
    ]
    scores = np.empty((len(blocks), len(rows), y.shape[1]))
    for at, values in in_order(x, rows):
        for block, part in enumerate(np.split(values, ends, axis=1)):
            scores[block, at] = part @ directions[block]
    cells, truth = of_known(scores.reshape(len(blocks), -1).T, y[rows].ravel())
    spread = np.maximum(cells.std(axis=0), 1e-30)
    found = logistic((cells - cells.mean(axis=0)) / spread, truth, start=[0.0] * (len(blocks) + 1))
    scales = found[:-1] / spread
    return np.vstack([a * d for a, d in zip(scales, directions, strict=True)]).astype(np.float32)
