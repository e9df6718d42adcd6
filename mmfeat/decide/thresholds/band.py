"""Where the best cut of very many cells can lie: one pass over them in place of sorting them.

Bits of scores of at least 0 rise with them, so that their upper half numbers bins of scores, 128
for each factor of two. With P positives in all, c cells and h positives above a bin's lower edge
and c' cells above its upper one, no cut in the bin has an F1 above 2h / (P + c'). The bins where
that is less than the best F1 at any edge can be left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmfeat.types import FloatArray, Targets

FEW = 2**23  # cells that are sorted as well
CHUNK = 2**20  # cells that are numbered at once
HALF_WORD = 16  # bits
N_BINS = (0x3F800000 >> HALF_WORD) + 1  # 0x3F800000 is 1.0


@dataclass(frozen=True, kw_only=True)
class Band:
    """RealArray from `low` to below `high`, and the cells and positives from `high` on."""

    low: float = 0.0
    high: float = np.inf
    chosen: int = 0
    hits: int = 0


def find_band(scores: FloatArray, truth: Targets, *, few: int = FEW, chunk: int = CHUNK) -> Band:
    """The scores among which the cut of the greatest F1 lies, and the next lower ones of a cell.

    `scores` of shape (n,) in [0, 1] with `truth` of shape (n,), 0 or 1, not all 0. Everything
    where there are `few` cells; `chunk` cells are numbered at once.
    """
    if len(scores) <= few or scores.dtype != np.float32:
        return Band()
    cells, positives = np.zeros((2, N_BINS), dtype=np.int64)
    for start in range(0, len(scores), chunk):
        part = scores[start : start + chunk] + np.float32(0)  # −0.0 becomes 0.0
        bins = (part.view(np.uint32) >> HALF_WORD).astype(np.int64)
        cells += np.bincount(bins, minlength=N_BINS)
        true = truth[start : start + chunk].astype(bool)
        positives += np.bincount(bins[true], minlength=N_BINS)
    chosen, hits = (np.append(np.cumsum(each[::-1])[::-1], 0) for each in (cells, positives))
    best = (2 * hits[:-1] / (hits[0] + chosen[:-1])).max()
    bound = 2 * hits[:-1] / (hits[0] + chosen[1:])
    kept = np.flatnonzero((cells > 0) & (bound >= best * (1 - 1e-12)))
    top = int(kept[-1]) + 1
    # a threshold is the middle to the next lower score
    below = np.flatnonzero(cells[: kept[0]])
    return Band(
        low=_edge(below[-1]) if len(below) else 0.0,
        high=_edge(np.int64(top)) if chosen[top] else np.inf,
        chosen=int(chosen[top]),
        hits=int(hits[top]),
    )


def _edge(number: np.int64) -> float:
    """The lowest score of a bin."""
    edge: NDArray[np.float32] = np.array(number << HALF_WORD, dtype=np.uint32).view(np.float32)
    return float(edge)
