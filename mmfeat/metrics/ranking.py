"""Metrics of rankings: average precision per class, and how well each row orders its labels.

Everywhere `probabilities` are of shape (n, k), at least 0, and `targets` of shape (n, k): 0, 1 or
unknown, which counts nowhere. Means over rows leave out those that cannot be judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmfeat.core.parallel import thread_map
from mmfeat.metrics.known import judged_rows, known_cells, of_known, positives
from mmfeat.metrics.ranked import find_corners, rank_keys
from mmfeat.metrics.sets import mean_of_classes, ratio
from mmfeat.types import Float64Array, FloatArray, IntArray, RealArray, Targets

RANKED_ROWS = 2**10  # rows whose labels a thread ranks at a time


def class_ap(probabilities: FloatArray, targets: Targets) -> Float64Array:
    """Average precision of each class, of shape (k,); NaN without positives.

    The sum over distinct scores of precision times the step in recall, without interpolation. Rows
    of equal score enter together, so their order does not matter.
    """

    def ap(j: int) -> float:
        scores, truth = of_known(probabilities[:, j], targets[:, j])
        if not len(truth):
            return float("nan")
        corners = find_corners(scores, truth)  # recall steps only there
        return _ap(corners.hits, corners.chosen)

    return np.array(thread_map(ap, range(targets.shape[1])))


def mean_ap(probabilities: FloatArray, targets: Targets) -> float | None:
    """Mean average precision of the classes that have positives; None if none has."""
    return mean_of_classes(class_ap(probabilities, targets))


def lrap(probabilities: FloatArray, targets: Targets) -> float | None:
    """Label ranking average precision; a row without labels, or with all, counts as 1.

    For each true label of a row, the share of true labels among those of at least its score; the
    mean over these labels, and then over the rows.
    """

    values = _of_rows(_row_lrap, probabilities, targets)
    return float(np.cumsum(values)[-1] / len(values)) if len(values) else None


def coverage(probabilities: FloatArray, targets: Targets) -> float | None:
    """Number of best-ranked labels that cover the true ones, mean over rows; 0 without labels."""
    values = _of_rows(_row_coverage, probabilities, targets)
    return float(values.mean()) if len(values) else None


def ranking_loss(probabilities: FloatArray, targets: Targets) -> float | None:
    """Share of (true, false) label pairs in the wrong order; 0 for a row without such pairs."""
    values = _of_rows(_row_loss, probabilities, targets)
    return float(values.mean()) if len(values) else None


@dataclass(frozen=True, kw_only=True)
class _TrueLabels:
    """The m true labels of n rows.

    Attributes
    ----------
    rows, among_true, among_all
        Of shape (m,): the row of each, rising, and how many of the row's true labels, and of all
        its known ones, have at least its score.
    counts, n_known
        Of shape (n,): the number of true and of known labels of each row.
    """

    rows: IntArray
    among_true: IntArray
    among_all: IntArray
    counts: IntArray
    n_known: IntArray


def _of_rows(
    value: Callable[[_TrueLabels], Float64Array], probabilities: RealArray, targets: Targets
) -> Float64Array:
    """The value of each row that can be judged."""
    judged = judged_rows(targets)
    if judged is not None:
        probabilities, targets = probabilities[judged], targets[judged]

    def part(start: int) -> Float64Array:
        rows = slice(start, start + RANKED_ROWS)
        return value(_true_labels(probabilities[rows], targets[rows]))

    parts = thread_map(part, range(0, len(targets), RANKED_ROWS))
    return np.concatenate(parts) if parts else np.empty(0)


def _true_labels(probabilities: RealArray, targets: Targets) -> _TrueLabels:
    """Count for the true labels of some rows.

    The scores of all rows are sorted as integers whose upper half is the row, so the place of
    every true label is found by one binary search. Unknown labels lie below all others.
    """
    known, truth, n_labels = known_cells(targets), positives(targets), targets.shape[1]
    rows, columns = np.nonzero(truth)
    keys = rank_keys(probabilities)
    if known is not None:
        keys = (keys + np.uint64(1)) * known
    keys += (np.arange(len(targets), dtype=np.uint64) << np.uint64(32))[:, None]
    true = keys[rows, columns]
    counts = truth.sum(axis=1, dtype=np.int64)
    among_true = np.cumsum(counts)[rows] - np.searchsorted(np.sort(true), true)
    keys.sort(axis=1)
    return _TrueLabels(
        rows=rows,
        among_true=among_true,
        among_all=(rows + 1) * n_labels - np.searchsorted(keys.ravel(), true),
        counts=counts,
        n_known=np.full(len(targets), n_labels) if known is None else known.sum(axis=1),
    )


def _row_lrap(true: _TrueLabels) -> Float64Array:
    shares, counts = true.among_true / true.among_all, true.counts
    values = np.ones(len(counts))
    for count in np.unique(counts[(counts > 0) & (counts < true.n_known)]):
        alike = (counts == count) & (counts < true.n_known)
        values[alike] = shares[alike[true.rows]].reshape(-1, count).mean(axis=1)
    return values


def _row_coverage(true: _TrueLabels) -> Float64Array:
    values = np.zeros(len(true.counts))
    np.maximum.at(values, true.rows, true.among_all)
    return values


def _row_loss(true: _TrueLabels) -> Float64Array:
    wrong = np.zeros(len(true.counts))
    np.add.at(wrong, true.rows, true.among_all - true.among_true)
    pairs = true.counts.astype(np.float64) * (true.n_known - true.counts)
    return ratio(wrong, pairs, 0.0)


def _ap(hits: IntArray, chosen: IntArray) -> float:
    if not len(hits) or hits[-1] == 0:
        return float("nan")
    precision = hits / np.maximum(chosen, 1)
    return float((precision * np.diff(hits, prepend=0)).sum() / hits[-1])
