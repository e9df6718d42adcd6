"""The common threshold of the greatest samples-F1, for classes that share one.

In a row, each cell from the highest score down changes the row's F1 by a known step, which is a
gain only where the label is true. Only scores within a band are sorted over all rows:

1. The upper half of a float's bits numbers bins of scores, see `mmfeat.decide.thresholds.band`.
2. No cut in a bin exceeds the sum of steps above the bin by more than the gains in it.
3. Bins where this is below the best sum at any edge are left out.
"""

from __future__ import annotations

from itertools import chain

import numpy as np

from mmfeat.core.parallel import thread_map
from mmfeat.decide.thresholds.band import N_BINS, bin_of, edge_of, just_below
from mmfeat.decide.thresholds.pooled import (
    SORTED_CELLS,
    Range,
    best_of_ranges,
    ranges_of,
    sum_range,
    whole,
)
from mmfeat.decide.thresholds.tuning_data import TuningData
from mmfeat.metrics.ranked import score_of, sorted_keys
from mmfeat.types import Float64Array, FloatArray, IntArray, Targets

FEW_SORTED = 2**20  # cells up to which sorting is as fast as finding the band
RANKED_CELLS = 2**17  # of some rows, whose labels a thread ranks at a time: they stay in the cache


def best_common_of_rows(
    data: TuningData,
    *,
    sorted_cells: int = SORTED_CELLS,
    ranked_cells: int = RANKED_CELLS,
    few: int = FEW_SORTED,
) -> float:
    """The common threshold of the greatest samples-F1.

    The band is everything for up to `few` cells.
    """
    scores = np.empty_like(data.probabilities)
    steps = np.empty(scores.shape, dtype=np.int64)
    n_rows = max(1, ranked_cells // data.n_labels)
    is_small = scores.size <= few or scores.dtype != np.float32

    def add_steps(start: int) -> Float64Array:
        rows = slice(start, start + n_rows)
        scores[rows], steps[rows] = _row_steps(data.probabilities[rows], data.targets[rows])
        return np.zeros((3, 0)) if is_small else _binned(scores[rows], steps[rows])

    binned = np.sum(thread_map(add_steps, range(0, len(steps), n_rows)), axis=0)
    low, high = (-np.inf, np.inf) if is_small else _find_band(*binned)
    # several are in memory at a time
    bounds = list(ranges_of(scores, max(1, sorted_cells // 8), low=low, high=high))

    def range_of(number: int) -> list[Range]:
        top, bottom = bounds[number]
        within = scores <= top
        within &= scores > bottom
        return sum_range(scores[within], steps[within])

    ranges = chain.from_iterable(thread_map(range_of, range(len(bounds))))
    return best_of_ranges(ranges, is_top=high == np.inf)


def _row_steps(scores: FloatArray, targets: Targets) -> tuple[FloatArray, IntArray]:
    """Each row's scores, falling, and the step of the row's F1 at each, both of shape (n, k)."""
    keys = sorted_keys(scores, targets)[:, ::-1]
    hits = np.cumsum(keys & 1, axis=1, dtype=np.float64)
    size = np.arange(1, keys.shape[1] + 1) + hits[:, -1:]
    steps: IntArray = np.diff(whole(2 * hits / size), axis=1, prepend=0)
    return score_of(keys, scores.dtype), steps


def _binned(scores: FloatArray, steps: IntArray) -> Float64Array:
    """The number of cells, the sum of their steps and that of their gains, (3, bins)."""
    bins = bin_of(scores).ravel()
    flat = steps.ravel().astype(np.float64)
    weights = (None, flat, np.maximum(flat, 0))
    found = [np.bincount(bins, weights=each, minlength=N_BINS) for each in weights]
    return np.array(found, dtype=np.float64)


def _find_band(
    cells: Float64Array, steps: Float64Array, gains: Float64Array
) -> tuple[float, float]:
    """The scores (low, high] that hold the best cut, with the next lower score of a cell."""
    reached = np.append(np.cumsum(steps[::-1])[::-1], 0)  # at the lower edge of each bin
    best = reached.max()
    kept = np.flatnonzero((cells > 0) & (reached[1:] + gains >= best - 1e-9 * abs(best)))
    below = np.flatnonzero(cells[: kept[0]])  # a threshold is the midpoint to the next lower score
    return (
        just_below(edge_of(below[-1])) if len(below) else -np.inf,
        just_below(edge_of(kept[-1] + 1)) if cells[kept[-1] + 1 :].any() else np.inf,
    )
