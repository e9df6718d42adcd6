"""Metrics of rankings: average precision per class, and how well each row orders its labels.

`probabilities` are of shape (n, k), `targets` of shape (n, k), 0 or 1, everywhere.
"""

from __future__ import annotations

import numpy as np

from mmfeat.core.parallel import thread_map
from mmfeat.metrics.ranked import find_corners
from mmfeat.metrics.sets import mean_of_classes
from mmfeat.types import Float64Array, FloatArray, IntArray, Targets


def class_ap(probabilities: FloatArray, targets: Targets) -> Float64Array:
    """Average precision of each class, of shape (k,); NaN without positives.

    The sum over the distinct scores of precision times the step in recall, not interpolated:
    rows of equal score enter together, so that their order does not matter.
    """

    def ap(j: int) -> float:
        corners = find_corners(probabilities[:, j], targets[:, j])  # recall steps there alone
        return _ap(corners.hits, corners.chosen)

    return np.array(thread_map(ap, range(targets.shape[1])))


def mean_ap(probabilities: FloatArray, targets: Targets) -> float | None:
    """Mean average precision of the classes that have positives; None where none has."""
    return mean_of_classes(class_ap(probabilities, targets))


def class_ap_intervals(
    probabilities: FloatArray,
    targets: Targets,
    *,
    n_resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> Float64Array:
    """Bootstrap interval of each class's average precision, of shape (k, 2).

    Rows are drawn with replacement; resamples without a positive are left out. NaN for a
    class without positives.
    """
    n_rows, n_labels = targets.shape
    rng = np.random.default_rng(seed)
    weights = [
        np.bincount(rng.integers(0, n_rows, n_rows), minlength=n_rows) for _ in range(n_resamples)
    ]
    tails = [(1 - level) / 2, (1 + level) / 2]
    intervals = np.full((n_labels, 2), np.nan)
    for j in np.flatnonzero(targets.any(axis=0)):
        order, ends = _cuts(probabilities[:, j])
        truth = targets[order, j]
        values = [_ap_of_cuts(truth, ends, drawn[order]) for drawn in weights]
        intervals[j] = np.nanquantile(values, tails)
    return intervals


def lrap(probabilities: FloatArray, targets: Targets) -> float:
    """Label ranking average precision; a row without labels, or with all, counts as 1."""
    from sklearn.metrics import label_ranking_average_precision_score  # noqa: PLC0415

    return float(label_ranking_average_precision_score(targets, probabilities))


def coverage(probabilities: FloatArray, targets: Targets) -> float:
    """How many of the best-ranked labels cover the true ones, mean over rows; 0 without labels."""
    from sklearn.metrics import coverage_error  # noqa: PLC0415

    return float(coverage_error(targets, probabilities))


def ranking_loss(probabilities: FloatArray, targets: Targets) -> float:
    """Share of (true, false) label pairs in wrong order; 0 for a row without such pairs."""
    from sklearn.metrics import label_ranking_loss  # noqa: PLC0415

    return float(label_ranking_loss(targets, probabilities))


def _cuts(scores: FloatArray) -> tuple[IntArray, IntArray]:
    """The rows from the highest score down, and the position where each distinct score ends."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    return order, np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))


def _ap_of_cuts(truth: Targets, ends: IntArray, drawn: IntArray) -> float:
    """Average precision of ranked rows, each counted as often as it was drawn."""
    return _ap(np.cumsum(drawn * truth)[ends], np.cumsum(drawn)[ends])


def _ap(hits: IntArray, chosen: IntArray) -> float:
    if not len(hits) or hits[-1] == 0:
        return float("nan")
    precision = hits / np.maximum(chosen, 1)
    return float((precision * np.diff(hits, prepend=0)).sum() / hits[-1])
