"""Thresholds that the classes have in common, and micro-F1.

One threshold for all classes has few enough outcomes to try each: the cells of the whole table
are sorted once, every cell changes the objective by a known step, and the running sum of the
steps is the objective at every cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mmfeat.metrics.sets import micro_f1
from mmfeat.thresholds.band import find_band
from mmfeat.thresholds.cuts import (
    HALF,
    Cuts,
    Thresholds,
    above,
    best_of,
    list_corners,
    middle,
    rank,
)
from mmfeat.thresholds.problem import Problem
from mmfeat.types import FloatArray, IntArray, Targets

AT_ONCE = 2**23  # cells that are sorted with their steps, so that memory stays flat
ROWS_AT_ONCE = 2**14
MAX_ROUNDS = 50  # of Dinkelbach's method; it takes three to six


def pool(problem: Problem) -> Cuts:
    """The cuts of all cells of the table taken together that end at a positive."""
    return list_corners(problem.probabilities.ravel(), problem.targets.ravel())


def best_global(problem: Problem) -> Thresholds:
    """One threshold for all classes, the one of the greatest micro-F1."""
    if not problem.support.any():
        return np.full(problem.n_labels, HALF)
    scores, truth = problem.probabilities.ravel(), problem.targets.ravel()
    band = find_band(scores, truth)
    within = (scores >= band.low) & (scores < band.high)
    cuts = list_corners(scores[within], truth[within])
    hits, chosen = band.hits + cuts.hits, band.chosen + cuts.chosen
    values = 2 * hits / (problem.support.sum() + chosen)
    if band.chosen:
        values[0] = -1  # the cut above the band is not among the best
    return np.full(problem.n_labels, cuts.best(values))


def dinkelbach(problem: Problem) -> Thresholds:
    """A threshold per class of the greatest micro-F1 that any thresholds reach.

    For a given λ the sum of 2TP − λ·predicted separates by class; with λ set to the F1 reached
    it grows every round until it is the optimum (Dinkelbach 1967; Koyejo et al. 2015). Classes
    with too few positives keep the best threshold common to all.
    """
    thresholds = best_global(problem)
    reached = micro_f1(problem.predict(thresholds), problem.targets)
    corners = {j: problem.corners(j) for j in np.flatnonzero(~problem.rare).tolist()}
    for _ in range(MAX_ROUNDS):
        proposal = thresholds.copy()
        for j, cuts in corners.items():
            proposal[j] = cuts.best(2 * cuts.hits - reached * cuts.chosen)
        value = micro_f1(problem.predict(proposal), problem.targets)
        if value <= reached:
            break
        thresholds, reached = proposal, value
    return thresholds


def best_common(problem: Problem) -> float:
    """The one threshold for all classes of the greatest macro F-beta; 0.5 without positives."""
    present = np.flatnonzero(problem.support).tolist()
    if not present:
        return HALF
    best = _Best()
    for high, low in _ranges(problem.probabilities, AT_ONCE):
        scores, steps = [], []
        for j in present:
            cuts = problem.cuts(j)
            within = slice(*np.searchsorted(-cuts.scores, (-high, -low), side="left"))
            scores.append(cuts.scores[within])
            steps.append(np.diff(whole(cuts.f_beta(problem.beta)))[within])
        best.add(np.concatenate(scores), np.concatenate(steps))
    return best.threshold()


def best_common_of_rows(problem: Problem) -> float:
    """The one threshold for all classes of the greatest samples-F1."""
    scores = problem.probabilities
    steps = np.empty(scores.shape, dtype=np.int64)
    for start in range(0, len(steps), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        steps[rows] = _row_steps(scores[rows], problem.targets[rows])
    best = _Best()
    for high, low in _ranges(scores, AT_ONCE // 4):  # a pass costs little here
        within = (scores <= high) & (scores > low)
        best.add(scores[within], steps[within])
    return best.threshold()


def _row_steps(scores: FloatArray, targets: Targets) -> IntArray:
    """What each label adds to its row's F1, of shape (n, k), the labels taken by their scores."""
    order = np.argsort(-scores, axis=1)
    truth = np.take_along_axis(targets, order, axis=1).astype(np.int64)
    size = np.arange(1, truth.shape[1] + 1) + truth.sum(axis=1, keepdims=True)
    steps: IntArray = np.empty_like(size)
    ranked = np.diff(whole(2 * np.cumsum(truth, axis=1) / size), axis=1, prepend=0)
    np.put_along_axis(steps, order, ranked, axis=1)
    return steps


def whole(values: NDArray[np.float64]) -> IntArray:
    """Values as whole numbers of 2⁻⁴⁰: their sums do not depend on the order of the rows."""
    return np.rint(values * 2.0**40).astype(np.int64)


def _ranges(scores: FloatArray, at_once: int) -> Iterator[tuple[float, float]]:
    """Ranges of scores (high, low], from the top down, of about `at_once` of `scores` each."""
    n_ranges = -(-scores.size // at_once)
    some = scores.ravel()[:: max(1, scores.size // 2**16)]
    inner = np.unique(np.quantile(some, np.arange(1, n_ranges) / n_ranges))[::-1].tolist()
    yield from pairwise([np.inf, *inner, -np.inf])


class _Best:
    """The cut of the greatest running sum of steps, over ranges of scores from the top down.

    The scores of a range lie below those of the one before it.
    """

    def __init__(self) -> None:
        self.sum = 0  # at the last score so far
        self.last: NDArray[np.floating] | None = None
        self.thresholds: list[float] = []  # the best of each range, and
        self.values: list[int] = []  # what they are worth

    def add(self, scores: NDArray[np.floating], steps: IntArray) -> None:
        """Add a range of cells."""
        if not len(scores):
            return
        order, ends = rank(scores)
        sums = self.sum + np.append(0, np.cumsum(steps[order])[ends])
        distinct = scores[order[ends]]
        if self.last is None:
            first = above(distinct[0])
        else:
            first = float(middle(self.last, distinct[:1])[0])
        # the last cut's threshold needs the next range's highest score
        self._take(np.append(first, middle(distinct[:-1], distinct[1:])), sums[:-1])
        self.sum, self.last = int(sums[-1]), distinct[-1:]

    def threshold(self) -> float:
        """The best of all; of equal ones the nearest to 0.5."""
        if self.last is not None:
            self._take(middle(self.last, np.zeros(1)), np.array([self.sum]))
        return best_of(np.array(self.thresholds), np.array(self.values))

    def _take(self, thresholds: Thresholds, values: IntArray) -> None:
        self.thresholds.append(best_of(thresholds, values))
        self.values.append(int(values.max()))
