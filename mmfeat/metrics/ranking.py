"""Metrics of rankings: average precision per class, and how well each row orders its labels.

Everywhere `probabilities` are of shape (n, k), and `targets` of shape (n, k), 0 or 1.
"""

from __future__ import annotations

import numpy as np

from mmfeat.core.parallel import thread_map
from mmfeat.metrics.ranked import find_corners
from mmfeat.metrics.sets import mean_of_classes
from mmfeat.types import Float64Array, FloatArray, IntArray, Targets


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
    """Label ranking average precision; a row without labels, or with all, counts as 1."""
    from sklearn.metrics import label_ranking_average_precision_score  # noqa: PLC0415

    return float(label_ranking_average_precision_score(targets, probabilities))


def coverage(probabilities: FloatArray, targets: Targets) -> float:
    """Number of best-ranked labels that cover the true ones, mean over rows; 0 without labels."""
    from sklearn.metrics import coverage_error  # noqa: PLC0415

    return float(coverage_error(targets, probabilities))


def ranking_loss(probabilities: FloatArray, targets: Targets) -> float:
    """Share of (true, false) label pairs in the wrong order; 0 for a row without such pairs."""
    from sklearn.metrics import label_ranking_loss  # noqa: PLC0415

    return float(label_ranking_loss(targets, probabilities))


def _ap(hits: IntArray, chosen: IntArray) -> float:
    if not len(hits) or hits[-1] == 0:
        return float("nan")
    precision = hits / np.maximum(chosen, 1)
    return float((precision * np.diff(hits, prepend=0)).sum() / hits[-1])
