"""What the choice among many cells is worth, and how sure one must be that a cell is worse.

The best of many cells is chosen on the rows that judge it, so its `nested` is too good.

1. Each fold is decided by the cell that is best on the other folds. These label sets come from a
   procedure that includes the choice, so their value is what the chosen cell is expected to reach.
2. Of cells that are equal in truth, one is the best by chance, and the others lie further below it
   than any two cells lie apart. `n_deviations` says how far, in standard deviations of a
   difference: in 95 % of the resamples the best lies less far above every other cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mmfeat.decide.resampling import interval
from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.thresholds.evaluate import value_of, values_of
from mmfeat.types import Float64Array, IntArray, Targets

Way = tuple[int, int]  # of dividing the rows into folds

SURE = 0.95
LEAST = 1.96  # standard deviations: the interval of two cells, of which none was chosen


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The best of several cells: what it is expected to reach on many new rows.

    Attributes
    ----------
    n_cells
        How many it was chosen from.
    best
        Its `nested`, which is too good by the `optimism`.
    expected, interval
        The value of the choice on folds that had no part in it, and its 95 % interval.
    """

    n_cells: int
    best: float
    expected: float
    interval: tuple[float, float]

    @property
    def optimism(self) -> float:
        """By how much `best` is too good, because it was chosen; negative by chance."""
        return self.best - self.expected

    def describe(self, objective: str) -> str:
        """A sentence about it."""
        low, high = self.interval
        worth = f"about {self.optimism:.4f}" if self.optimism > 0 else "not measurably"
        return (
            f"best of {self.n_cells}: {objective} {self.best:.4f}, {worth} too good for being"
            f" chosen; expect {self.expected:.4f} on many new rows ({low:.4f} to {high:.4f})"
        )


def choose_elsewhere(
    objective: str,
    data: TuningData,
    folds: Mapping[Way, IntArray],
    cells: Mapping[str, Mapping[Way, Targets]],
) -> dict[Way, Targets]:
    """The label sets of each way, (n, k): each fold is decided by the cell best on the others.

    `cells` have label sets of shape (n, k) for one way or several, and are judged by their mean.
    """
    found = {}
    for way, number in folds.items():
        numbers = np.unique(number)
        others = (number != numbers[:, None]).astype(np.uint8)  # (K, n)
        able = [cell for cell in cells.values() if way in cell]
        values = [
            np.mean([values_of(objective, data, sets, others) for sets in cell.values()], axis=0)
            for cell in able
        ]
        sets = np.empty_like(data.targets)
        for place, best in zip(numbers, np.argmax(values, axis=0), strict=True):
            sets[number == place] = able[best][way][number == place]
        found[way] = sets
    return found


def judge_choice(
    objective: str,
    data: TuningData,
    chosen: Mapping[Way, Targets],
    values: Float64Array,
    *,
    n_cells: int,
    best: float,
) -> Choice:
    """Judge the result of `choose_elsewhere` with its resampled `values`, of shape (r,)."""
    expected = float(np.mean([value_of(objective, data, sets) for sets in chosen.values()]))
    return Choice(
        n_cells=n_cells, best=best, expected=expected, interval=interval(values, expected)
    )


def n_deviations(values: Float64Array) -> float:
    """How far equal cells lie below the best of them, in standard deviations of the difference.

    `values` of shape (c, r) are those of each cell on the same resamples.
    """
    centred = values - values.mean(axis=1, keepdims=True)
    covariance = np.atleast_2d(np.cov(centred))
    variance = np.diag(covariance)
    apart = np.sqrt(np.maximum(variance[:, None] + variance - 2 * covariance, 0.0))
    best = centred.argmax(axis=0)
    below = centred.max(axis=0) - centred
    scale = apart[:, best]
    ratios = np.divide(below, scale, out=np.zeros_like(below), where=scale > 1e-12)
    return max(LEAST, float(np.quantile(ratios.max(axis=0), SURE)))
