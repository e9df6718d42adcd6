"""Metrics of probabilities: Brier score, log-loss and calibration error.

Everywhere `probabilities` are of shape (n, k), in [0, 1], and `targets` of shape (n, k): 0, 1 or
unknown, which counts nowhere. A class of which nothing is known has the value NaN, and means over
classes leave it out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mmfeat.metrics.known import known_cells, of_known
from mmfeat.metrics.sets import mean_of_classes
from mmfeat.types import Float64Array, FloatArray, RealArray, Targets

SMALLEST = 1e-7  # log-loss takes probabilities from this to one minus this


def brier(probabilities: FloatArray, targets: Targets) -> float:
    """Mean squared difference of probability and truth over all cells."""
    known = known_cells(targets)
    squares = (probabilities.astype(np.float64) - targets) ** 2
    return float(np.mean(squares if known is None else squares[known]))


def log_loss(probabilities: FloatArray, targets: Targets) -> float | None:
    """Mean over the classes of `class_log_loss`."""
    return mean_of_classes(class_log_loss(probabilities, targets))


def class_log_loss(probabilities: RealArray, targets: Targets) -> Float64Array:
    """Mean negative log-likelihood of each class, of shape (k,)."""
    return _of_classes(
        probabilities, targets, lambda p, truth: float(cell_log_loss(p, truth).mean())
    )


def cell_log_loss(probabilities: RealArray, targets: Targets) -> Float64Array:
    """Negative log-likelihood of each cell, of the shape of the input."""
    p = np.clip(probabilities.astype(np.float64), SMALLEST, 1 - SMALLEST)
    loss: Float64Array = -np.log(np.abs(1.0 - targets - p))  # faster than `np.where`
    return loss


def mean_calibration_error(probabilities: FloatArray, targets: Targets) -> float | None:
    """Mean over the classes of `class_calibration_error`."""
    return mean_of_classes(class_calibration_error(probabilities, targets))


def class_calibration_error(
    probabilities: RealArray, targets: Targets, *, n_bins: int = 15
) -> Float64Array:
    """Expected calibration error of each class, of shape (k,), in [0, 1].

    The rows are put into `n_bins` bins of equal width. The error is the mean over bins, weighted by
    their rows, of the absolute difference of mean probability and share of positives (Naeini et
    al. 2015).
    """
    return _of_classes(
        probabilities, targets, lambda p, truth: _calibration_error(p, truth, n_bins)
    )


def _of_classes(
    probabilities: RealArray, targets: Targets, value: Callable[[RealArray, Targets], float]
) -> Float64Array:
    """The value of each class, (k,), in the rows of which it is known; NaN without any."""
    columns = (of_known(*pair) for pair in zip(probabilities.T, targets.T, strict=True))
    return np.array([value(p, truth) if len(truth) else np.nan for p, truth in columns])


def _calibration_error(probabilities: RealArray, truth: Targets, n_bins: int) -> float:
    p = probabilities.astype(np.float64)
    bins = np.minimum((p * n_bins).astype(np.int64), n_bins - 1)
    return float(np.abs(np.bincount(bins, weights=p - truth, minlength=n_bins)).sum() / len(p))
