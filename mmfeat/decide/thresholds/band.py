"""The band of scores that holds the best cut of very many cells, in one pass without sorting.

The bits of non-negative floats rise with their values, so their upper half numbers bins of scores,
128 per factor of two. Let there be P positives in all, c cells and h positives above a bin's lower
edge, and c' cells above its upper edge. Then no cut in the bin has an F1 above 2h / (P + c').
Bins for which this is less than the best F1 at any edge are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmfeat.types import FloatArray, IntArray, Targets

FEW = 2**23  # cells up to which sorting is as fast
CHUNK = 2**20  # cells binned at a time
HALF_WORD = 16  # bits
N_BINS = (0x3F800000 >> HALF_WORD) + 1  # 0x3F800000 is 1.0


@dataclass(frozen=True, kw_only=True)
class Band:
    """Scores in [`low`, `high`), and the number of cells and positives at or above `high`."""

    low: float = 0.0
    high: float = np.inf
    chosen: int = 0
    hits: int = 0


def find_band(scores: FloatArray, truth: Targets, *, few: int = FEW, chunk: int = CHUNK) -> Band:
    """Find the scores that hold the cut of greatest F1, with the next lower score of a cell.

    `scores` of shape (n,) in [0, 1] with `truth` of shape (n,), 0 or 1, not all 0. The band is
    everything for up to `few` cells; `chunk` cells are binned at a time.
    """
    if len(scores) <= few or scores.dtype != np.float32:
        return Band()
    cells, positives = np.zeros((2, N_BINS), dtype=np.int64)
    for start in range(0, len(scores), chunk):
        bins = bin_of(scores[start : start + chunk])
        cells += np.bincount(bins, minlength=N_BINS)
        true = truth[start : start + chunk].astype(bool)
        positives += np.bincount(bins[true], minlength=N_BINS)
    chosen, hits = (np.append(np.cumsum(each[::-1])[::-1], 0) for each in (cells, positives))
    best = (2 * hits[:-1] / (hits[0] + chosen[:-1])).max()
    bound = 2 * hits[:-1] / (hits[0] + chosen[1:])
    kept = np.flatnonzero((cells > 0) & (bound >= best * (1 - 1e-12)))
    top = int(kept[-1]) + 1
    # a threshold is the midpoint to the next lower score
    below = np.flatnonzero(cells[: kept[0]])
    return Band(
        low=edge_of(below[-1]) if len(below) else 0.0,
        high=edge_of(np.int64(top)) if chosen[top] else np.inf,
        chosen=int(chosen[top]),
        hits=int(hits[top]),
    )


def bin_of(scores: FloatArray) -> IntArray:
    """The bin of each score of 32 bits, of the shape of `scores`."""
    positive = scores + np.float32(0)  # −0.0 becomes 0.0
    return (positive.view(np.uint32) >> HALF_WORD).astype(np.int64)


def edge_of(number: np.int64) -> float:
    """The lowest score of a bin."""
    edge: NDArray[np.float32] = np.array(number << HALF_WORD, dtype=np.uint32).view(np.float32)
    return float(edge)


def just_below(edge: float) -> float:
    """The next lower score of 32 bits."""
    return float(np.nextafter(np.float32(edge), np.float32(-np.inf)))
