"""Metrics of label sets: F1, precision and recall, averaged over classes, cells or rows.

Everywhere `predicted` and `targets` are of shape (n, k): 0 or 1, and of targets also unknown, which
counts nowhere (`mmfeat.metrics.known`). A ratio 0/0 is `zero_division`. Means over classes leave
out classes without positives, means over rows those that cannot be judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmfeat.metrics.known import judged_rows, known_only, known_rows, of_known, positives
from mmfeat.types import Float64Array, IntArray, Targets


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """Precision, recall and F1 of each class, of shape (k,); NaN without positives."""

    precision: Float64Array
    recall: Float64Array
    f1: Float64Array
    support: Float64Array


def class_scores(
    predicted: Targets, targets: Targets, *, zero_division: float = 0.0
) -> ClassScores:
    """Compute the scores of each class."""
    hits, chosen, support = _counts(predicted, targets, axis=0)
    absent = support == 0

    def score(numerator: Float64Array, denominator: Float64Array) -> Float64Array:
        values = ratio(numerator, denominator, zero_division)
        values[absent] = np.nan
        return values

    return ClassScores(
        precision=score(hits, chosen),
        recall=score(hits, support),
        f1=score(2 * hits, chosen + support),
        support=support,
    )


def macro_f1(predicted: Targets, targets: Targets, *, zero_division: float = 0.0) -> float | None:
    """Mean F1 of the classes."""
    return mean_of_classes(class_scores(predicted, targets, zero_division=zero_division).f1)


def macro_precision(
    predicted: Targets, targets: Targets, *, zero_division: float = 0.0
) -> float | None:
    """Mean precision of the classes."""
    return mean_of_classes(class_scores(predicted, targets, zero_division=zero_division).precision)


def macro_recall(
    predicted: Targets, targets: Targets, *, zero_division: float = 0.0
) -> float | None:
    """Mean recall of the classes."""
    return mean_of_classes(class_scores(predicted, targets, zero_division=zero_division).recall)


def weighted_f1(
    predicted: Targets, targets: Targets, *, zero_division: float = 0.0
) -> float | None:
    """Mean F1 of the classes, each weighted by its number of positives."""
    scores = class_scores(predicted, targets, zero_division=zero_division)
    return _by_support(scores.f1, scores.support)


def weighted_precision(
    predicted: Targets, targets: Targets, *, zero_division: float = 0.0
) -> float | None:
    """Mean precision of the classes, each weighted by its number of positives."""
    scores = class_scores(predicted, targets, zero_division=zero_division)
    return _by_support(scores.precision, scores.support)


def weighted_recall(
    predicted: Targets, targets: Targets, *, zero_division: float = 0.0
) -> float | None:
    """Mean recall of the classes, each weighted by its number of positives."""
    scores = class_scores(predicted, targets, zero_division=zero_division)
    return _by_support(scores.recall, scores.support)


def _by_support(values: Float64Array, support: Float64Array) -> float | None:
    total = support.sum()
    return float(np.nansum(values * support) / total) if total else None


def micro_f1(predicted: Targets, targets: Targets, *, zero_division: float = 0.0) -> float:
    """F1 of all cells of the table pooled."""
    hits, chosen, support = _counts(predicted, targets, axis=None)
    return float(ratio(2 * hits, chosen + support, zero_division))


def micro_precision(predicted: Targets, targets: Targets, *, zero_division: float = 0.0) -> float:
    """Share of the predicted labels that are right."""
    hits, chosen, _ = _counts(predicted, targets, axis=None)
    return float(ratio(hits, chosen, zero_division))


def micro_recall(predicted: Targets, targets: Targets, *, zero_division: float = 0.0) -> float:
    """Share of the true labels that are predicted."""
    hits, _, support = _counts(predicted, targets, axis=None)
    return float(ratio(hits, support, zero_division))


def row_f1(predicted: Targets, targets: Targets, *, zero_division: float = 0.0) -> Float64Array:
    """F1 of each row's label set, of shape (n,)."""
    hits, chosen, support = _counts(predicted, targets, axis=1)
    return ratio(2 * hits, chosen + support, zero_division)


def samples_f1(predicted: Targets, targets: Targets, *, zero_division: float = 0.0) -> float | None:
    """Mean F1 of the rows."""
    return _mean_of_rows(
        row_f1(predicted, targets, zero_division=zero_division), judged_rows(targets)
    )


def samples_precision(
    predicted: Targets, targets: Targets, *, zero_division: float = 0.0
) -> float | None:
    """Mean precision of the rows."""
    hits, chosen, _ = _counts(predicted, targets, axis=1)
    return _mean_of_rows(ratio(hits, chosen, zero_division), judged_rows(targets))


def samples_recall(
    predicted: Targets, targets: Targets, *, zero_division: float = 0.0
) -> float | None:
    """Mean recall of the rows."""
    hits, _, support = _counts(predicted, targets, axis=1)
    return _mean_of_rows(ratio(hits, support, zero_division), judged_rows(targets))


def jaccard(predicted: Targets, targets: Targets, *, zero_division: float = 0.0) -> float | None:
    """Mean over the rows of intersection over union of the two label sets."""
    hits, chosen, support = _counts(predicted, targets, axis=1)
    return _mean_of_rows(ratio(hits, chosen + support - hits, zero_division), judged_rows(targets))


def subset_accuracy(predicted: Targets, targets: Targets) -> float | None:
    """Share of the rows whose label set is exactly right."""
    sets, truth = known_only(predicted, targets)
    return _mean_of_rows((sets == truth).all(axis=1), known_rows(targets))


def hamming_loss(predicted: Targets, targets: Targets) -> float:
    """Share of the cells that are wrong."""
    sets, truth = of_known(predicted.ravel(), targets.ravel())
    return float((sets != truth).mean())


def labels_per_row(predicted: Targets, targets: Targets) -> float | None:
    """Mean true number of labels of a row."""
    return _mean_of_rows(positives(targets).sum(axis=1, dtype=np.int64), known_rows(targets))


def predicted_per_row(predicted: Targets, targets: Targets) -> float | None:
    """Mean predicted number of labels of a row."""
    sets, _ = known_only(predicted, targets)
    return _mean_of_rows(sets.sum(axis=1, dtype=np.int64), known_rows(targets))


def mean_of_classes(values: Float64Array) -> float | None:
    """Mean of the values that are not NaN; None if there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def _mean_of_rows(values: NDArray[np.generic], rows: IntArray | None) -> float | None:
    """The mean of the values of `rows`, or of all; None if there are none."""
    chosen = values if rows is None else values[rows]
    return float(chosen.mean()) if len(chosen) else None


def ratio(numerator: Float64Array, denominator: Float64Array, zero_division: float) -> Float64Array:
    """Divide; 0/0 is `zero_division`."""
    result = np.full(np.shape(denominator), float(zero_division))
    np.divide(numerator, denominator, out=result, where=np.asarray(denominator) > 0)
    return result


def _counts(
    predicted: Targets, targets: Targets, *, axis: int | None
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Right predictions, all predictions and true labels, summed over `axis`."""
    sets, truth = known_only(predicted, targets)
    hits = (sets & truth).sum(axis=axis, dtype=np.float64)
    chosen = sets.sum(axis=axis, dtype=np.float64)
    return hits, chosen, truth.sum(axis=axis, dtype=np.float64)
