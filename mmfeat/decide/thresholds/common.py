"""The common threshold of the greatest macro F-beta, for classes that share one.

Every distinct score of every class is a cut, and the sum of the classes' F-beta changes at each by
a known step. Only scores within a band are sorted:

1. The upper half of a float's bits numbers bins of scores, see `mmfeat.decide.thresholds.band`.
   For each class, h(b) positives and c(b) cells lie at or above the lower edge of bin b.
2. No cut in bin b gives a class with P positives more than (1 + β²) h(b) / (β² P + c(b + 1)), as
   h rises and c falls towards lower scores.
3. Bins where the sum of this over the classes is below the best sum at any edge are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmfeat.core.parallel import thread_map
from mmfeat.decide.thresholds.band import FEW, N_BINS, bin_of, edge_of, just_below
from mmfeat.decide.thresholds.cuts import HALF
from mmfeat.decide.thresholds.pooled import (
    SORTED_CELLS,
    Range,
    best_of_ranges,
    ranges_of,
    sum_range,
    whole,
)
from mmfeat.decide.thresholds.tuning_data import TuningData
from mmfeat.metrics.ranked import count_above
from mmfeat.types import Float64Array, IntArray, RealArray

CLASSES = 2**6  # whose bins a thread sums


@dataclass(frozen=True)
class _Scores:
    """The scores of one range (low, high] of a class, falling, and the step of F-beta at each."""

    scores: RealArray
    steps: IntArray


def best_common(
    data: TuningData, *, sorted_cells: int = SORTED_CELLS, few: int = FEW, classes: int = CLASSES
) -> float:
    """The common threshold of the greatest macro F-beta; 0.5 without positives.

    At most about `sorted_cells` cells are sorted at a time. The band is everything for up to `few`
    cells; a thread bins `classes` classes.
    """
    present = np.flatnonzero(data.support)
    if not len(present):
        return HALF
    low, high = _find_band(data, present, few=few, classes=classes)
    ranges: list[Range] = []
    for top, bottom in ranges_of(data.probabilities, sorted_cells, low=low, high=high):
        parts = thread_map(lambda j: _steps(data, j, bottom, top), present.tolist())  # noqa: B023
        ranges += sum_range(
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.steps for part in parts]),
        )
    return best_of_ranges(ranges, is_top=high == np.inf)


def _steps(data: TuningData, j: int, low: float, high: float) -> _Scores:
    scores, truth = data.of_class(j)
    above = scores > high
    within = scores > low
    within &= ~above
    distinct, chosen, hits = scores[:0], np.zeros(0, np.int64), np.zeros(0, np.int64)
    if within.any():
        distinct, chosen, hits = count_above(scores[within], truth[within])
    n_above, n_hits = np.count_nonzero(above), np.count_nonzero(truth[above])
    values = _f_beta(
        data,
        int(data.support[j]),
        hits=np.append(0, hits) + n_hits,
        chosen=np.append(0, chosen) + n_above,
    )
    return _Scores(distinct, np.diff(whole(values)))


def _find_band(
    data: TuningData, present: IntArray, *, few: int, classes: int
) -> tuple[float, float]:
    """The scores (low, high] that hold the best cut, with the next lower score of a cell."""
    if data.probabilities.size <= few or data.probabilities.dtype != np.float32:
        return -np.inf, np.inf

    lowest = bin_of(data.probabilities.min(keepdims=True)).item()
    n_bins = N_BINS - lowest

    def add_up(start: int) -> tuple[Float64Array, Float64Array, IntArray]:
        reached, bound = np.zeros((2, n_bins))
        cells = np.zeros(n_bins, dtype=np.int64)
        for j in present[start : start + classes]:
            scores, truth = data.of_class(j)
            bins = bin_of(scores) - lowest
            binned = np.bincount(bins, minlength=n_bins)
            positives = np.bincount(bins[truth.astype(bool)], minlength=n_bins)
            chosen, hits = (np.cumsum(each[::-1])[::-1] for each in (binned, positives))
            support = int(data.support[j])
            reached += _f_beta(data, support, hits=hits, chosen=chosen)
            bound += _f_beta(data, support, hits=hits, chosen=np.append(chosen[1:], 0))
            cells += binned
        return reached, bound, cells

    parts = thread_map(add_up, range(0, len(present), classes))
    reached, bound, cells = (sum(each) for each in zip(*parts, strict=True))
    kept = np.flatnonzero((cells > 0) & (bound >= reached.max() * (1 - 1e-9)))
    below = np.flatnonzero(cells[: kept[0]])  # a threshold is the midpoint to the next lower score
    return (
        just_below(edge_of(lowest + below[-1])) if len(below) else -np.inf,
        just_below(edge_of(lowest + kept[-1] + 1)) if cells[kept[-1] + 1 :].any() else np.inf,
    )


def _f_beta(data: TuningData, support: int, *, hits: IntArray, chosen: IntArray) -> Float64Array:
    squared = data.beta**2
    values: Float64Array = (1 + squared) * hits / np.maximum(squared * support + chosen, 1e-300)
    return values
