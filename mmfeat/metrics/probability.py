"""Metrics of probabilities: Brier score, log-loss and calibration error.

Everywhere `probabilities` are of shape (n, k), in [0, 1], and `targets` of shape (n, k), 0 or 1.
"""

from __future__ import annotations

import numpy as np

from mmfeat.types import Float64Array, FloatArray, RealArray, Targets

SMALLEST = 1e-7  # log-loss takes probabilities from this to one minus this


def brier(probabilities: FloatArray, targets: Targets) -> float:
    """Mean squared difference of probability and truth over all cells."""
    return float(np.mean((probabilities.astype(np.float64) - targets) ** 2))


def log_loss(probabilities: FloatArray, targets: Targets) -> float:
    """Mean negative log-likelihood over all cells."""
    return float(class_log_loss(probabilities, targets).mean())


def class_log_loss(probabilities: RealArray, targets: Targets) -> Float64Array:
    """Mean negative log-likelihood of each class, of shape (k,)."""
    columns = zip(probabilities.T, targets.T, strict=True)
    return np.array([cell_log_loss(p, truth).mean() for p, truth in columns])


def cell_log_loss(probabilities: RealArray, targets: Targets) -> Float64Array:
    """Negative log-likelihood of each cell, of the shape of the input."""
    p = np.clip(probabilities.astype(np.float64), SMALLEST, 1 - SMALLEST)
    loss: Float64Array = -np.log(np.abs(1.0 - targets - p))  # faster than `np.where`
    return loss


def mean_calibration_error(probabilities: FloatArray, targets: Targets) -> float:
    """Mean over the classes of `class_calibration_error`."""
    return float(class_calibration_error(probabilities, targets).mean())


def class_calibration_error(
    probabilities: RealArray, targets: Targets, *, n_bins: int = 15
) -> Float64Array:
    """Expected calibration error of each class, of shape (k,), in [0, 1].

    The rows are put into `n_bins` bins of equal width. The error is the mean over bins, weighted by
    their rows, of the absolute difference of mean probability and share of positives (Naeini et
    al. 2015).
    """
    columns = zip(probabilities.T, targets.T, strict=True)
    return np.array([_calibration_error(p, truth, n_bins) for p, truth in columns])


def _calibration_error(probabilities: RealArray, truth: Targets, n_bins: int) -> float:
    p = probabilities.astype(np.float64)
    bins = np.minimum((p * n_bins).astype(np.int64), n_bins - 1)
    return float(np.abs(np.bincount(bins, weights=p - truth, minlength=n_bins)).sum() / len(p))
