"""One threshold for all classes, and the best micro-F1.

A common threshold has few enough outcomes to try each: the cells of the whole table are sorted
once, every cell changes the objective by a known step, and the running sum of the steps is the
objective at every cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mmfeat.core.parallel import thread_map
from mmfeat.decide.thresholds.band import CHUNK, FEW, find_band
from mmfeat.decide.thresholds.cuts import (
    HALF,
    Cuts,
    Thresholds,
    above,
    best_of,
    list_corners,
    middle,
    rank,
)
from mmfeat.decide.thresholds.tuning_data import TuningData
from mmfeat.metrics.sets import micro_f1
from mmfeat.types import Float64Array, FloatArray, IntArray, RealArray

SORTED_CELLS = 2**23  # cells sorted with their steps at a time, which bounds the memory
MAX_ROUNDS = 50  # of Dinkelbach's method; it takes three to six


def pool(data: TuningData) -> Cuts:
    """The corners of all cells of the table pooled, see `list_corners`."""
    return list_corners(data.probabilities.ravel(), data.targets.ravel())


def best_global(data: TuningData, *, few: int = FEW, chunk: int = CHUNK) -> Thresholds:
    """One threshold for all classes, of the greatest micro-F1; options as in `find_band`."""
    if not data.support.any():
        return np.full(data.n_labels, HALF)
    scores, truth = data.probabilities.ravel(), data.targets.ravel()
    band = find_band(scores, truth, few=few, chunk=chunk)
    within = (scores >= band.low) & (scores < band.high)
    cuts = list_corners(scores[within], truth[within])
    hits, chosen = band.hits + cuts.hits, band.chosen + cuts.chosen
    values = 2 * hits / (data.support.sum() + chosen)
    if band.chosen:
        values[0] = -1  # the cut above the band is never the best
    return np.full(data.n_labels, cuts.best(values))


def dinkelbach(data: TuningData) -> Thresholds:
    """A threshold per class; together they reach a great micro-F1.

    It is the greatest of any thresholds where every class has enough positives for its own. For a
    given λ the sum of 2TP − λ·predicted separates by class. With λ set to the F1 reached so
    far, F1 grows every round until it is optimal (Dinkelbach 1967; Koyejo et al. 2015). Classes
    with too few positives keep the best common threshold.
    """
    thresholds = best_global(data)
    reached = micro_f1(data.predict(thresholds), data.targets)
    own = np.flatnonzero(~data.rare).tolist()
    corners = dict(zip(own, thread_map(data.corners, own), strict=True))
    for _ in range(MAX_ROUNDS):
        proposal = thresholds.copy()
        for j, cuts in corners.items():
            proposal[j] = cuts.best(2 * cuts.hits - reached * cuts.chosen)
        value = micro_f1(data.predict(proposal), data.targets)
        if value <= reached:
            break
        thresholds, reached = proposal, value
    return thresholds


def whole(values: Float64Array) -> IntArray:
    """Values as integer multiples of 2⁻⁴⁰: their sums do not depend on the order of the rows."""
    return np.rint(values * 2.0**40).astype(np.int64)


def ranges_of(
    scores: FloatArray, at_once: int, *, low: float = -np.inf, high: float = np.inf
) -> Iterator[tuple[float, float]]:
    """Ranges (high, low], from the top down, with about `at_once` of `scores` each."""
    # a random sample, as equally spaced cells may be of few columns
    some = scores.ravel()[np.random.default_rng(0).integers(0, scores.size, 2**16)]
    within = some[(some > low) & (some <= high)]
    n_ranges = max(1, -(-scores.size * len(within) // (len(some) * at_once)))
    shares = np.arange(1, n_ranges) / n_ranges
    inner = np.unique(np.quantile(within, shares))[::-1].tolist() if n_ranges > 1 else []
    yield from pairwise([high, *inner, low])


@dataclass(frozen=True, kw_only=True)
class Range:
    """A range of scores: the highest and lowest, the sum of its steps, and its best inner cut.

    The cut is its threshold and the running sum of steps there; both are empty for one score.
    """

    high: RealArray
    low: RealArray
    total: int
    thresholds: list[float]
    values: list[int]


def sum_range(scores: FloatArray, steps: IntArray) -> list[Range]:
    """The range of some cells, as a list of one; empty without cells."""
    if not len(scores):
        return []
    order, ends = rank(scores)
    sums = np.cumsum(steps[order])[ends]
    distinct = scores[order[ends]]
    best = np.flatnonzero(sums[:-1] == sums[:-1].max(initial=sums.min()))
    thresholds = middle(distinct[best], distinct[best + 1])
    return [
        Range(
            high=distinct[:1],
            low=distinct[-1:],
            total=int(sums[-1]),
            thresholds=[best_of(thresholds, sums[best])] if len(best) else [],
            values=sums[best[:1]].tolist(),
        )
    ]


def best_of_ranges(ranges: Iterable[Range], *, is_top: bool = True) -> float:
    """The cut of the greatest running sum of steps; each range lies below the one before it.

    Unless `is_top`, higher scores exist, and the cut above the ranges is not among the best.
    """
    thresholds: list[float] = []
    values: list[int] = []
    reached, last = 0, None
    for each in ranges:
        first = above(each.high[0]) if last is None else float(middle(last, each.high)[0])
        thresholds += [first, *each.thresholds]
        values += [reached, *(reached + value for value in each.values)]
        reached, last = reached + each.total, each.low
    if not is_top:
        thresholds, values = thresholds[1:], values[1:]
    if last is not None:
        thresholds.append(float(middle(last, np.zeros(1))[0]))
        values.append(reached)
    return best_of(np.array(thresholds), np.array(values))
