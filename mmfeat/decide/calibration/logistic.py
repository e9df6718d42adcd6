"""Logistic regression on very few features, by Newton's method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmfeat.core.numeric import sigmoid
from mmfeat.types import Float64Array, Targets

RIDGE = 1e-6
MAX_STEPS = 50
SMALLEST_STEP = 1e-6
PRODUCT_ROWS = 2**13  # of a matrix product: more gain nothing, fewer cost calls


def logistic(
    features: Float64Array,
    truth: Targets,
    weights: Float64Array | None = None,
    *,
    start: Sequence[float] = (),
) -> Float64Array:
    """Fit coefficients and offset, (d + 1,), on `features` (n, d) and `truth` (n,), 0 or 1.

    The targets are Platt's, which are never 0 or 1. `weights` (n,) count the rows that each row
    represents; None: 1. `start` are coefficients and offset that are nearly right; empty: those of
    the identity.
    """
    counts = np.ones(len(truth)) if weights is None else weights
    rows, positives = float(counts.sum()), float((counts * truth).sum())
    high, low = (positives + 1) / (positives + 2), 1 / (rows - positives + 2)
    wanted = np.where(truth, high, low)
    x = np.column_stack([features, np.ones(len(features))])
    found: Float64Array = np.append(np.ones(features.shape[1]), 0.0)
    if len(start):
        found = np.array(start)
    loss, gradient, hessian = _cross_entropy(x, wanted, counts, found)
    for _ in range(MAX_STEPS):
        step = np.linalg.solve(hessian + RIDGE * np.eye(x.shape[1]), gradient)
        if np.abs(step).max() < SMALLEST_STEP:
            return found - step
        while (closer := _cross_entropy(x, wanted, counts, found - step))[0] > loss:
            step /= 2  # Newton steps overshoot far from the optimum
            if np.abs(step).max() < SMALLEST_STEP:
                return found
        found = found - step
        loss, gradient, hessian = closer
    return found


def _cross_entropy(
    x: Float64Array, wanted: Float64Array, counts: Float64Array, found: Float64Array
) -> tuple[float, Float64Array, Float64Array]:
    """Loss of the coefficients `found`, its gradient and its Hessian, summed block by block."""
    loss, gradient, hessian = 0.0, np.zeros(len(found)), np.zeros((len(found),) * 2)
    for first in range(0, len(x), PRODUCT_ROWS):
        rows = slice(first, first + PRODUCT_ROWS)
        part, goal, count = x[rows], wanted[rows], counts[rows]
        logits = part @ found
        p = sigmoid(logits)
        softplus = np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))
        loss += float(count @ (softplus - goal * logits))
        gradient += part.T @ (count * (p - goal))
        hessian += (part * (count * p * (1 - p))[:, None]).T @ part
    return loss, gradient, hessian
