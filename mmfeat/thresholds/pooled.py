"""Thresholds that the classes have in common, and micro-F1.

One threshold for all classes has few enough outcomes to try each: the cells of the whole table
are sorted once, every cell changes the objective by a known step, and the running sum of the
steps is the objective at every cut.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmfeat.metrics.sets import micro_f1
from mmfeat.thresholds.cuts import HALF, Cuts, Thresholds, best_of, between, list_cuts, rank
from mmfeat.thresholds.problem import Problem
from mmfeat.types import IntArray

MAX_ROUNDS = 50  # of Dinkelbach's method; it takes three to six


def pool(problem: Problem) -> Cuts:
    """The cuts of all cells of the table taken together."""
    return list_cuts(problem.probabilities.ravel(), problem.targets.ravel())


def best_global(problem: Problem) -> Thresholds:
    """One threshold for all classes, the one of the greatest micro-F1."""
    cuts = pool(problem)
    threshold = cuts.best(cuts.f_beta()) if cuts.positives else HALF
    return np.full(problem.n_labels, threshold)


def dinkelbach(problem: Problem) -> Thresholds:
    """A threshold per class of the greatest micro-F1 that any thresholds reach.

    For a given λ the sum of 2TP − λ·predicted separates by class; with λ set to the F1 reached
    it grows every round until it is the optimum (Dinkelbach 1967; Koyejo et al. 2015). Classes
    with too few positives keep the best threshold common to all.
    """
    thresholds = best_global(problem)
    reached = micro_f1(problem.predict(thresholds), problem.targets)
    for _ in range(MAX_ROUNDS):
        proposal = thresholds.copy()
        for j in np.flatnonzero(~problem.rare):
            cuts = problem.cuts[j]
            proposal[j] = cuts.best(2 * cuts.hits - reached * cuts.chosen)
        value = micro_f1(problem.predict(proposal), problem.targets)
        if value <= reached:
            break
        thresholds, reached = proposal, value
    return thresholds


def best_common(problem: Problem) -> float:
    """The one threshold for all classes of the greatest macro F-beta; 0.5 without positives."""
    scores, steps = [], []
    for j in np.flatnonzero(problem.support):
        cuts = problem.cuts[j]
        scores.append(cuts.scores)
        steps.append(np.diff(whole(cuts.f_beta(problem.beta))))
    if not scores:
        return HALF
    return _best_step(np.concatenate(scores), np.concatenate(steps))


def best_common_of_rows(problem: Problem) -> float:
    """The one threshold for all classes of the greatest samples-F1."""
    order = np.argsort(-problem.probabilities, axis=1)
    truth = np.take_along_axis(problem.targets, order, axis=1).astype(np.int64)
    size = np.arange(1, problem.n_labels + 1) + truth.sum(axis=1, keepdims=True)
    steps = np.diff(whole(2 * np.cumsum(truth, axis=1) / size), axis=1, prepend=0)
    scores = np.take_along_axis(problem.probabilities, order, axis=1)
    return _best_step(scores.ravel(), steps.ravel())


def whole(values: NDArray[np.float64]) -> IntArray:
    """Values as whole numbers of 2⁻⁴⁰: their sums do not depend on the order of the rows."""
    return np.rint(values * 2.0**40).astype(np.int64)


def _best_step(scores: NDArray[np.floating], steps: IntArray) -> float:
    order, ends = rank(scores)
    sums = np.append(0, np.cumsum(steps[order])[ends])
    return best_of(between(scores[order[ends]]), sums)
