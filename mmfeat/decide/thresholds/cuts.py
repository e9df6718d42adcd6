"""Cuts: the thresholds that separate a list of scores, and the counts above each.

A label is predicted where its probability is at least its threshold. Only cuts between distinct
scores predict different rows, so one sort lists every outcome:

- a threshold is the midpoint between the two scores it separates; rows of equal score stay
  together;
- above the highest score it is the midpoint between that score and 1, and nothing is predicted;
- below the lowest score it is half that score, and everything is predicted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmfeat.metrics.ranked import CHUNK, count_above, find_corners, rising_order
from mmfeat.types import Float64Array, IntArray, RealArray

Thresholds = Float64Array

HALF = 0.5  # the untuned threshold


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """Every cut of one list of scores, from the highest (predict nothing) to the lowest.

    Attributes
    ----------
    thresholds
        Of shape (m,), falling.
    chosen, hits
        Of shape (m,): rows at or above each threshold, and the positives among them.
    scores
        Of shape (m - 1,), falling: the distinct scores; each cut except the first ends at one.
    """

    thresholds: Thresholds
    chosen: IntArray
    hits: IntArray
    scores: RealArray

    @property
    def positives(self) -> int:
        """The number of positives."""
        return int(self.hits[-1])

    def at(self, threshold: float) -> int:
        """Index of the cut that predicts the same rows as any `threshold`."""
        return int(np.searchsorted(-self.scores, -threshold, side="right"))

    def f_beta(self, beta: float = 1.0) -> Float64Array:
        """F-beta of each cut, of shape (m,); 0 where nothing is predicted."""
        squared = beta * beta
        total = squared * self.positives + self.chosen
        scores: Float64Array = (1 + squared) * self.hits / np.maximum(total, 1e-300)
        return scores

    def best(self, values: NDArray[np.number]) -> float:
        """The threshold of the greatest value; of ties the nearest to 0.5."""
        return best_of(self.thresholds, values)


def best_of(thresholds: Thresholds, values: NDArray[np.number]) -> float:
    """The threshold of the greatest value; of ties the nearest to 0.5."""
    winners = thresholds[values == values.max()]
    return float(winners[np.argmin(np.abs(winners - HALF))])


def best_around(distinct: RealArray, values: NDArray[np.number]) -> float:
    """Same as `best_of(between(distinct), values)`, but computes only the best thresholds."""
    winners = np.flatnonzero(values == values.max())
    inner = winners[winners > 0] - 1
    best = middle(distinct[inner], np.append(distinct[1:], 0)[inner])
    if not winners[0]:
        best = np.append(above(distinct[0]), best)
    return best_of(best, values[winners])


def list_cuts(scores: RealArray, truth: NDArray[np.integer]) -> Cuts:
    """List the cuts of `scores` of shape (n,) in [0, 1] with `truth` of shape (n,), 0 or 1."""
    distinct, chosen, hits = count_above(scores, truth)
    return Cuts(
        thresholds=between(distinct),
        chosen=np.append(0, chosen),
        hits=np.append(0, hits),
        scores=distinct,
    )


def list_corners(scores: RealArray, truth: NDArray[np.integer], *, chunk: int = CHUNK) -> Cuts:
    """List the first cut and the cuts that end at the score of a positive.

    Every other cut predicts more rows and has no more hits than the cut before it, so it is never
    the best. `Cuts.at` needs the result of `list_cuts`. `chunk` rows are read at a time.
    """
    corners = find_corners(scores, truth, chunk=chunk)
    return Cuts(
        thresholds=np.append(above(corners.highest), middle(corners.scores, corners.below)),
        chosen=np.append(0, corners.chosen),
        hits=np.append(0, corners.hits),
        scores=corners.scores,
    )


def rank(scores: RealArray) -> tuple[IntArray, IntArray]:
    """The rows by falling score, and the position where each distinct score ends."""
    order = rising_order(scores)[::-1]
    ranked = scores[order]
    return order, np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))


def between(distinct: RealArray) -> Thresholds:
    """The thresholds around falling distinct scores of shape (m,), of shape (m + 1,)."""
    return np.append(above(distinct[0]), middle(distinct, np.append(distinct[1:], 0)))


def above(highest: np.floating) -> float:
    """The threshold above all scores."""
    if highest >= 1.0:
        return float(np.nextafter(highest, np.inf, dtype=np.float64))
    return float(middle(np.ones(1), np.array([highest], dtype=np.float64))[0])


def middle(upper: RealArray, lower: RealArray) -> Thresholds:
    """The thresholds that separate each score of `upper` from that of `lower`."""
    high, low = upper.astype(np.float64), lower.astype(np.float64)
    halfway = (high + low) / 2
    # adjacent floats have no midpoint; the upper one separates them
    thresholds: Thresholds = np.where(halfway > low, halfway, high)
    return thresholds
