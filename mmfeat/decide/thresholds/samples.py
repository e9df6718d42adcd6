"""Samples-F1: the mean over rows of the F1 of each label set, which couples the classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmfeat.core.parallel import thread_map
from mmfeat.decide.thresholds.common_of_rows import best_common_of_rows
from mmfeat.decide.thresholds.cuts import Thresholds, best_around, rank
from mmfeat.decide.thresholds.pooled import whole
from mmfeat.decide.thresholds.tuning_data import TuningData
from mmfeat.types import Float64Array, FloatArray, IntArray

MAX_PASSES = 50  # over all classes; about five are enough


def coordinate(data: TuningData) -> Thresholds:
    """Coordinate ascent from the best common threshold, until no single change improves.

    With the other classes fixed, predicting a class for a row changes that row's F1 by a known
    step. The running sum of the steps in the order of the scores gives samples-F1 at every cut of
    the class. Classes with too few positives keep the common threshold. A table of more than
    `Limits.sampled_cells` cells is sampled, see `rows_used`.
    """
    if rows_used(data) < len(data.targets):
        data = data.rows(drawn_rows(data, len(data.targets)))
    common = best_common_of_rows(data)
    thresholds = np.full(data.n_labels, common)
    own = np.flatnonzero(~data.rare).tolist()
    # class by class, (k, n)
    scores = np.ascontiguousarray(data.by_class[0])
    truth = np.ascontiguousarray(data.by_class[1])
    predicted = (scores >= common).view(np.uint8)
    ranks = dict(zip(own, thread_map(lambda j: _rank(scores[j]), own), strict=True))
    n_true = truth.sum(axis=0, dtype=np.float64)
    hits = (predicted & truth).sum(axis=0, dtype=np.float64)
    n_predicted = predicted.sum(axis=0, dtype=np.float64)
    for _ in range(MAX_PASSES):
        improved = False
        for j in own:
            other_hits = hits - (predicted[j] & truth[j])
            others = n_predicted - predicted[j]
            size = others + n_true
            steps = _f1(other_hits + truth[j], size + 1) - _f1(other_hits, size)
            order, ends = ranks[j]
            values = np.append(0, np.cumsum(steps[order])[ends])
            if values.max() <= int((steps * predicted[j]).sum()):
                continue
            improved = True
            thresholds[j] = best_around(scores[j, order[ends]], values)
            predicted[j] = scores[j] >= thresholds[j]
            hits = other_hits + (predicted[j] & truth[j])
            n_predicted = others + predicted[j]
        if not improved:
            break
    return thresholds


def rows_used(data: TuningData) -> int:
    """The number of rows that `coordinate` uses."""
    return min(len(data.targets), max(1, data.limits.sampled_cells // data.n_labels))


def drawn_rows(data: TuningData, n_rows: int) -> IntArray:
    """The indices, rising, of the rows among `n_rows` that `coordinate` uses."""
    used = min(n_rows, rows_used(data))
    return np.sort(np.random.default_rng(data.seed).choice(n_rows, used, replace=False))


def _rank(scores: FloatArray) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Same as `rank`, in half the memory."""
    order, ends = rank(scores)
    return order.astype(np.int32), ends.astype(np.int32)


def _f1(hits: Float64Array, size: Float64Array) -> IntArray:
    return whole(2 * hits / np.maximum(size, 1))
