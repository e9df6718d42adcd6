"""Objectives that separate by class: each class has its own best cut.

Macro-averages are means over classes, so that choosing the best cut of every class is exact
(Lipton, Elkan, Naryanaswamy 2014). Classes with too few positives share the one threshold that
is best for all classes together, unless 0.5 serves them better.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mmfeat.classes import map_classes
from mmfeat.thresholds.cuts import HALF, Cuts, Thresholds
from mmfeat.thresholds.pooled import best_common, pool
from mmfeat.thresholds.problem import Problem

N_RESAMPLES = 100
CHUNK = 2**20  # draws in memory at once


def exact(problem: Problem) -> Thresholds:
    """The cut of the greatest F-beta, class by class, over every cut between distinct scores."""
    return _each(problem, lambda _, cuts: cuts.best(cuts.f_beta(problem.beta)))


def smoothed(problem: Problem) -> Thresholds:
    """The cut of the greatest smoothed F-beta, class by class.

    (1 + (1 + β²)TP) / (1 + β²·positives + predicted): one more row that is right whatever the
    cut damps what a handful of positives says (after Lin & Lin, CIKM 2023).
    """
    squared = problem.beta**2

    def choose(j: int, cuts: Cuts) -> float:
        total = 1 + squared * cuts.positives + cuts.chosen
        return _not_below_half(problem, cuts, cuts.best((1 + (1 + squared) * cuts.hits) / total))

    return _each(problem, choose)


def bootstrap(problem: Problem) -> Thresholds:
    """The median over resamples of the cut of the greatest F-beta, class by class.

    Where 0.5 is better than the median on the tuning rows, it is 0.5.
    """

    def choose(j: int, cuts: Cuts) -> float:
        median = float(np.median(resampled(cuts, beta=problem.beta, seed=(problem.seed, j))))
        return _not_below_half(problem, cuts, median)

    return _each(problem, choose)


def resampled(
    cuts: Cuts,
    *,
    beta: float = 1.0,
    seed: int | tuple[int, ...] = 0,
    n_resamples: int = N_RESAMPLES,
) -> Thresholds:
    """The best threshold of each resample of one class's rows, of shape (n_resamples,) or less.

    Every row counts Poisson(1) times (the Poisson bootstrap). The best cut always lies just
    below a positive, and a sum of m such counts is Poisson(m), so it takes one draw per
    positive and one for all negatives since the positive before. The draws follow the order of
    the scores: the order of the rows does not matter. Cuts whose F-beta on all rows is far below
    the best, by six relative standard errors of a count, are not candidates. Resamples without
    positives are left out.
    """
    rng = np.random.default_rng(seed)
    places = np.flatnonzero(np.diff(cuts.hits)) + 1
    values = cuts.f_beta(beta)[places]
    near = np.flatnonzero(values >= values.max() * (1 - 6 / np.sqrt(cuts.positives)))
    places = places[near[0] : near[-1] + 1]
    below = cuts.positives - cuts.hits[places[-1]]
    positives = np.diff(cuts.hits[places], prepend=0)
    negatives = np.diff(cuts.chosen[places], prepend=0) - positives
    thresholds = cuts.thresholds[places]
    squared, found = beta * beta, []
    step = max(1, CHUNK // len(places))
    for start in range(0, n_resamples, step):
        size = (min(step, n_resamples - start), len(places))
        right = rng.poisson(positives, size)
        chosen = np.cumsum(rng.poisson(negatives, size) + right, axis=1)
        hits = np.cumsum(right, axis=1)
        total = hits[:, -1:] + rng.poisson(below, (len(hits), 1))
        scores = hits / np.maximum(squared * total + chosen, 1e-300)
        found.append(thresholds[np.argmax(scores[total[:, 0] > 0], axis=1)])
    best: Thresholds = np.concatenate(found)
    return best


def micromacro(problem: Problem) -> Thresholds:
    """Maximise micro-F1 and macro-F1 together, from the most frequent class to the rarest.

    Each class takes the cut of the greatest sum of its F1, divided by the number of classes
    decided so far, and the micro-F1 of those classes (Lin & Lin, CIKM 2023, "micromacro-freq").
    A rare class cannot buy a little F1 with many false alarms. Classes without positives get
    the threshold that is best for all classes together.
    """
    thresholds = np.full(problem.n_labels, best_common(problem))
    hits = total = 0
    order = np.argsort(-problem.support, kind="stable")
    for n_decided, j in enumerate(order[problem.support[order] > 0].tolist(), start=1):
        cuts = problem.cuts(j)
        micro = 2 * (hits + cuts.hits) / (total + cuts.positives + cuts.chosen)
        thresholds[j] = cuts.best(micro + cuts.f_beta() / n_decided)
        at = cuts.at(thresholds[j])
        hits, total = hits + cuts.hits[at], total + cuts.positives + cuts.chosen[at]
    return thresholds


def precision_at_least(problem: Problem) -> Thresholds:
    """The greatest recall among the cuts whose precision reaches the floor, class by class.

    Where no cut reaches it, the cut of the greatest precision.
    """
    return _each(problem, lambda _, cuts: most_recall(cuts, problem.floor), pooled=most_recall)


def recall_at_least(problem: Problem) -> Thresholds:
    """The greatest precision among the cuts whose recall reaches the floor, class by class."""
    return _each(problem, lambda _, cuts: most_precise(cuts, problem.floor), pooled=most_precise)


def most_recall(cuts: Cuts, floor: float) -> float:
    """The threshold of the greatest recall at a precision of at least `floor`."""
    precision = cuts.hits / np.maximum(cuts.chosen, 1)
    if (precision >= floor).any():
        hits = np.where(precision >= floor, cuts.hits, -1)
        return cuts.best(np.where(hits == hits.max(), precision, -1.0))
    return cuts.best(precision)


def most_precise(cuts: Cuts, floor: float) -> float:
    """The threshold of the greatest precision at a recall of at least `floor`."""
    precision = cuts.hits / np.maximum(cuts.chosen, 1)
    return cuts.best(np.where(cuts.hits >= floor * cuts.positives, precision, -1.0))


def _each(
    problem: Problem,
    choose: Callable[[int, Cuts], float],
    *,
    pooled: Callable[[Cuts, float], float] | None = None,
) -> Thresholds:
    """Let `choose` decide each class that has enough positives; the others share one."""
    thresholds = np.full(problem.n_labels, HALF)
    if not problem.support.any():
        return thresholds
    own = np.flatnonzero(~problem.rare)
    thresholds[own] = map_classes(lambda j: choose(j, problem.cuts(j)), own.tolist())
    if problem.rare.any():
        shared = pooled(pool(problem), problem.floor) if pooled else _shared(problem)
        thresholds[problem.rare] = shared
    return thresholds


def _shared(problem: Problem) -> float:
    common = best_common(problem)
    few = [problem.cuts(j) for j in np.flatnonzero(problem.rare & (problem.support > 0)).tolist()]
    gain = sum(_f(cuts, common, problem.beta) - _f(cuts, HALF, problem.beta) for cuts in few)
    return common if gain >= 0 else HALF


def _not_below_half(problem: Problem, cuts: Cuts, threshold: float) -> float:
    better = _f(cuts, threshold, problem.beta) >= _f(cuts, HALF, problem.beta)
    return threshold if better else HALF


def _f(cuts: Cuts, threshold: float, beta: float) -> float:
    at = cuts.at(threshold)
    squared = beta * beta
    total = squared * cuts.positives + cuts.chosen[at]
    return float((1 + squared) * cuts.hits[at] / total) if total else 0.0
