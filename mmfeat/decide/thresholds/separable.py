"""Objectives that separate by class: each class has its own best cut.

Macro-averages are means over classes, so choosing the best cut of every class is exact (Lipton,
Elkan, Naryanaswamy 2014). Classes with too few positives share the best common threshold, unless
0.5 is better for them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from mmfeat.core.parallel import thread_map
from mmfeat.decide.thresholds.common import best_common
from mmfeat.decide.thresholds.cuts import HALF, Cuts, Thresholds
from mmfeat.decide.thresholds.pooled import pool
from mmfeat.decide.thresholds.tuning_data import TuningData
from mmfeat.types import IntArray

N_RESAMPLES = 100
MOST_PLACES = 2**12  # candidate cuts of a class, evenly spaced among the positives
FEWER_PLACES, FEWER_RESAMPLES = 2**6, 50  # with many classes
CHUNK = 2**20  # draws in memory at a time
IN_CACHE = 2**16  # numbers processed at a time


def exact(data: TuningData) -> Thresholds:
    """The cut of the greatest F-beta, class by class, over every cut between distinct scores."""

    def choose(j: int) -> float:
        cuts = data.cuts(j)
        return cuts.best(cuts.f_beta(data.beta))

    return _each(data, choose)


def smoothed(data: TuningData) -> Thresholds:
    """The cut of the greatest smoothed F-beta, class by class.

    (1 + (1 + β²)TP) / (1 + β²·positives + predicted): one extra row that is right for every cut
    damps the influence of a few positives (after Lin & Lin, CIKM 2023).
    """
    squared = data.beta**2

    def choose(j: int) -> float:
        cuts = data.cuts(j)
        total = 1 + squared * cuts.positives + cuts.chosen
        return _not_below_half(data, j, cuts.best((1 + (1 + squared) * cuts.hits) / total))

    return _each(data, choose)


def bootstrap(data: TuningData) -> Thresholds:
    """The median over resamples of the cut of the greatest F-beta, class by class.

    The threshold is 0.5 if that is better than the median on the tuning rows.
    """

    def choose(j: int) -> float:
        return _not_below_half(data, j, float(np.median(drawn(data, j))))

    return _each(data, choose)


def drawn(data: TuningData, j: int) -> Thresholds:
    """The result of `resampled` for one class, drawn once per `TuningData`."""
    if j not in data.resampled:
        is_many = data.has_many_classes
        data.resampled[j] = resampled(
            data.corners(j),
            beta=data.beta,
            seed=(data.seed, j),
            n_resamples=FEWER_RESAMPLES if is_many else N_RESAMPLES,
            most_places=FEWER_PLACES if is_many else MOST_PLACES,
        )
    return data.resampled[j]


def resampled(
    cuts: Cuts,
    *,
    beta: float = 1.0,
    seed: int | tuple[int, ...] = 0,
    n_resamples: int = N_RESAMPLES,
    most_places: int = MOST_PLACES,
) -> Thresholds:
    """The best threshold of each resample of one class's rows, at most `n_resamples`.

    `cuts` are the result of `list_cuts` or `list_corners`; only corners can be best. Every row
    counts Poisson(1) times (the Poisson bootstrap). The best cut always lies just below a positive,
    and a sum of m such counts is Poisson(m), so one draw per positive and one for all negatives
    since the previous positive are enough. The draws follow the order of the scores, so the order
    of the rows does not matter. Cuts are no candidates if their F-beta on all rows is below the
    best by more than six relative standard errors of a count. Of more than `most_places` candidates
    evenly spaced ones are used. Resamples without positives are left out.
    """
    rng = np.random.default_rng(seed)
    places = np.flatnonzero(np.diff(cuts.hits)) + 1
    values = cuts.f_beta(beta)[places]
    near = np.flatnonzero(values >= values.max() * (1 - 6 / np.sqrt(cuts.positives)))
    places = places[near[0] : near[-1] + 1]
    if len(places) > most_places:
        places = places[np.linspace(0, len(places) - 1, most_places).round().astype(np.int64)]
    below = cuts.positives - cuts.hits[places[-1]]
    positives = np.diff(cuts.hits[places], prepend=0)
    negatives = np.diff(cuts.chosen[places], prepend=0) - positives
    thresholds = cuts.thresholds[places]
    found = []
    step = max(1, CHUNK // len(places))
    for start in range(0, n_resamples, step):
        size = (min(step, n_resamples - start), len(places))
        right, wrong = rng.poisson(positives, size), rng.poisson(negatives, size)
        missed = rng.poisson(below, (size[0], 1))
        # as many resamples at a time as fit into the processor's cache
        for first in range(0, size[0], IN_CACHE // len(places) + 1):
            rows = slice(first, first + IN_CACHE // len(places) + 1)
            best = _best_places(right[rows], wrong[rows], missed[rows], squared=beta * beta)
            found.append(thresholds[best])
    return np.concatenate(found)


def _best_places(right: IntArray, wrong: IntArray, missed: IntArray, *, squared: float) -> IntArray:
    """The index of the greatest F-beta for each resample that has positives.

    `right` and `wrong`, (r, m), count positives and negatives between the candidate cuts; `missed`,
    (r, 1), counts the positives after the last.
    """
    hits = np.cumsum(right, axis=1)
    chosen = np.cumsum(np.add(wrong, right, out=wrong), axis=1)
    total = hits[:, -1:] + missed
    scores = squared * total + chosen
    np.maximum(scores, 1e-300, out=scores)
    np.divide(hits, scores, out=scores)
    best: IntArray = np.argmax(scores[total[:, 0] > 0], axis=1)
    return best


def micromacro(data: TuningData) -> Thresholds:
    """Maximise micro-F1 and macro-F1 together, from the most frequent class to the rarest.

    Each class takes the cut of the greatest sum of its F1, divided by the number of classes
    decided so far, and the micro-F1 of those classes (Lin & Lin, CIKM 2023, "micromacro-freq").
    So a rare class cannot gain a little F1 with many false positives. Classes without positives
    get the best common threshold.
    """
    thresholds = np.full(data.n_labels, best_common(data))
    hits = total = 0
    order = np.argsort(-data.support, kind="stable")
    for n_decided, j in enumerate(order[data.support[order] > 0].tolist(), start=1):
        cuts = data.cuts(j)
        micro = 2 * (hits + cuts.hits) / (total + cuts.positives + cuts.chosen)
        thresholds[j] = cuts.best(micro + cuts.f_beta() / n_decided)
        at = cuts.at(thresholds[j])
        hits, total = hits + cuts.hits[at], total + cuts.positives + cuts.chosen[at]
    return thresholds


def precision_at_least(data: TuningData) -> Thresholds:
    """The greatest recall among the cuts whose precision reaches the floor, class by class.

    If no cut reaches it, the cut of the greatest precision.
    """
    return _each(data, partial(_at_floor, data, most_recall), pooled=most_recall)


def recall_at_least(data: TuningData) -> Thresholds:
    """The greatest precision among the cuts whose recall reaches the floor, class by class."""
    return _each(data, partial(_at_floor, data, most_precise), pooled=most_precise)


def _at_floor(data: TuningData, best: Callable[[Cuts, float], float], j: int) -> float:
    return best(data.cuts(j), data.floor)


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
    data: TuningData,
    choose: Callable[[int], float],
    *,
    pooled: Callable[[Cuts, float], float] | None = None,
) -> Thresholds:
    """Apply `choose` to each class with enough positives; the others share one threshold."""
    thresholds = np.full(data.n_labels, HALF)
    if not data.support.any():
        return thresholds
    own = np.flatnonzero(~data.rare)
    thresholds[own] = thread_map(choose, own.tolist())
    if data.rare.any():
        shared = pooled(pool(data), data.floor) if pooled else _shared(data)
        thresholds[data.rare] = shared
    return thresholds


def _shared(data: TuningData) -> float:
    common = best_common(data)
    few = np.flatnonzero(data.rare & (data.support > 0)).tolist()
    gain = sum(_f(data, j, common) - _f(data, j, HALF) for j in few)
    return common if gain >= 0 else HALF


def _not_below_half(data: TuningData, j: int, threshold: float) -> float:
    return threshold if _f(data, j, threshold) >= _f(data, j, HALF) else HALF


def _f(data: TuningData, j: int, threshold: float) -> float:
    """F-beta of one class at a threshold."""
    scores, truth = data.of_class(j)
    chosen = scores >= np.float64(threshold)
    hits = int(np.count_nonzero(truth[chosen]))
    squared = data.beta**2
    total = squared * int(data.support[j]) + int(np.count_nonzero(chosen))
    return (1 + squared) * hits / total if total else 0.0
