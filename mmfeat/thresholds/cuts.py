"""The places where scores can be cut in two, and what lies above each cut.

A label is predicted where its probability is at least its threshold. Only the cuts between
distinct scores differ in what they predict, so one sort lists every outcome there is:

- a threshold is the middle between the two scores it parts; rows of equal score stay together;
- above the highest score it is the middle between that score and 1, and nothing is predicted;
- below the lowest score it is half that score, and everything is predicted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmfeat.types import IntArray

Thresholds = NDArray[np.float64]

HALF = 0.5  # the threshold of a model that is taken at its word


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
        Of shape (m - 1,), falling: the distinct scores; each cut but the first ends at one.
    """

    thresholds: Thresholds
    chosen: IntArray
    hits: IntArray
    scores: NDArray[np.floating]

    @property
    def positives(self) -> int:
        """The number of positives."""
        return int(self.hits[-1])

    def at(self, threshold: float) -> int:
        """Index of the cut that predicts the same rows as `threshold`, which need not be one."""
        return int(np.searchsorted(-self.scores, -threshold, side="right"))

    def f_beta(self, beta: float = 1.0) -> NDArray[np.float64]:
        """F-beta of each cut, of shape (m,); 0 where nothing is predicted."""
        squared = beta * beta
        total = squared * self.positives + self.chosen
        scores: NDArray[np.float64] = (1 + squared) * self.hits / np.maximum(total, 1e-300)
        return scores

    def best(self, values: NDArray[np.number]) -> float:
        """The threshold of the greatest value; of equal ones the nearest to 0.5."""
        return best_of(self.thresholds, values)


def best_of(thresholds: Thresholds, values: NDArray[np.number]) -> float:
    """The threshold of the greatest value; of equal ones the nearest to 0.5."""
    winners = thresholds[values == values.max()]
    return float(winners[np.argmin(np.abs(winners - HALF))])


def list_cuts(scores: NDArray[np.floating], truth: NDArray[np.integer]) -> Cuts:
    """List the cuts of `scores` of shape (n,) in [0, 1] with `truth` of shape (n,), 0 or 1."""
    order, ends = rank(scores)
    distinct = scores[order[ends]]
    return Cuts(
        thresholds=between(distinct),
        chosen=np.append(0, ends + 1),
        hits=np.append(0, np.cumsum(truth[order], dtype=np.int64)[ends]),
        scores=distinct,
    )


def rank(scores: NDArray[np.floating]) -> tuple[IntArray, IntArray]:
    """The rows from the highest score down, and the position where each distinct score ends."""
    order = np.argsort(-scores)
    ranked = scores[order]
    return order, np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))


def between(distinct: NDArray[np.floating]) -> Thresholds:
    """The thresholds around falling distinct scores of shape (m,), of shape (m + 1,)."""
    edges = np.concatenate(([1.0], distinct.astype(np.float64), [0.0]))
    middle = (edges[:-1] + edges[1:]) / 2
    # two neighbouring floats have no middle: the upper one parts them as well
    thresholds = np.where(middle > edges[1:], middle, edges[:-1])
    if distinct[0] >= 1.0:
        thresholds[0] = np.nextafter(distinct[0], np.inf, dtype=np.float64)
    return thresholds
