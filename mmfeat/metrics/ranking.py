"""Metrics of rankings: average precision per class, and how well each row orders its labels.

Everywhere `probabilities` are of shape (n, k), and `targets` of shape (n, k), 0 or 1.
"""

from __future__ import annotations

import numpy as np

from mmfeat.core.parallel import thread_map
from mmfeat.metrics.ranked import find_corners, rank_keys
from mmfeat.metrics.sets import mean_of_classes
from mmfeat.types import Float64Array, FloatArray, IntArray, RealArray, Targets

RANKED_ROWS = 2**10  # rows whose labels a thread ranks at a time


def class_ap(probabilities: FloatArray, targets: Targets) -> Float64Array:
    """Average precision of each class, of shape (k,); NaN without positives.

    The sum over distinct scores of precision times the step in recall, without interpolation. Rows
    of equal score enter together, so their order does not matter.
    """

    def ap(j: int) -> float:
        corners = find_corners(probabilities[:, j], targets[:, j])  # recall steps only there
        return _ap(corners.hits, corners.chosen)

    return np.array(thread_map(ap, range(targets.shape[1])))


def mean_ap(probabilities: FloatArray, targets: Targets) -> float | None:
    """Mean average precision of the classes that have positives; None if none has."""
    return mean_of_classes(class_ap(probabilities, targets))


def lrap(probabilities: FloatArray, targets: Targets) -> float:
    """Label ranking average precision; a row without labels, or with all, counts as 1.

    For each true label of a row, the share of true labels among those of at least its score; the
    mean over these labels, and then over the rows.
    """

    def of_rows(start: int) -> Float64Array:
        rows = slice(start, start + RANKED_ROWS)
        return _row_lrap(probabilities[rows], targets[rows])

    values = thread_map(of_rows, range(0, len(targets), RANKED_ROWS))
    return float(np.cumsum(np.concatenate(values))[-1] / len(targets))


def coverage(probabilities: FloatArray, targets: Targets) -> float:
    """Number of best-ranked labels that cover the true ones, mean over rows; 0 without labels."""
    from sklearn.metrics import coverage_error  # noqa: PLC0415

    return float(coverage_error(targets, probabilities))


def ranking_loss(probabilities: FloatArray, targets: Targets) -> float:
    """Share of (true, false) label pairs in the wrong order; 0 for a row without such pairs."""
    from sklearn.metrics import label_ranking_loss  # noqa: PLC0415

    return float(label_ranking_loss(targets, probabilities))


def _row_lrap(probabilities: RealArray, targets: Targets) -> Float64Array:
    """The value of each row, of shape (n,).

    The scores of all rows are sorted as integers whose upper half is the row, so the place of
    every true label is found by one binary search.
    """
    n_labels = targets.shape[1]
    rows, columns = np.nonzero(targets)
    keys = rank_keys(probabilities) + (np.arange(len(targets), dtype=np.uint64) << 32)[:, None]
    true = keys[rows, columns]
    counts = targets.sum(axis=1, dtype=np.int64)
    among_true = np.cumsum(counts)[rows] - np.searchsorted(np.sort(true), true)
    keys.sort(axis=1)
    among_all = (rows + 1) * n_labels - np.searchsorted(keys.ravel(), true)
    shares = among_true / among_all
    values = np.ones(len(targets))
    for count in np.unique(counts[(counts > 0) & (counts < n_labels)]):
        alike = counts == count
        values[alike] = shares[alike[rows]].reshape(-1, count).mean(axis=1)
    return values


def _ap(hits: IntArray, chosen: IntArray) -> float:
    if not len(hits) or hits[-1] == 0:
        return float("nan")
    precision = hits / np.maximum(chosen, 1)
    return float((precision * np.diff(hits, prepend=0)).sum() / hits[-1])
