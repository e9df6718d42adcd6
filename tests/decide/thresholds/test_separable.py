"""Methods that decide class by class, against brute force on small cases."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import fbeta_score

from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.thresholds.choose import choose_thresholds
from mmfeat.decide.thresholds.cuts import list_cuts
from mmfeat.decide.thresholds.evaluate import value_of
from mmfeat.decide.thresholds.separable import micromacro, resampled
from mmfeat.types import Targets
from tests.support.made_up.tuning import every_cut, larger, micro, tuning_data


def by_class(data: TuningData, score: Callable[[Targets, Targets], float]) -> NDArray[np.float64]:
    """The best value of each class over every cut."""
    return np.array(
        [
            max(score(y, (p >= t).astype(np.uint8)) for t in every_cut(p))
            for p, y in zip(data.probabilities.T, data.targets.T, strict=True)
        ]
    )


@settings(max_examples=150, deadline=None)
@given(tuning_data(), st.sampled_from([0.5, 1.0, 2.0]))
def test_exact_is_the_best_of_all_cuts(data: TuningData, beta: float) -> None:
    data = TuningData(
        probabilities=data.probabilities, targets=data.targets, beta=beta, min_positives=0
    )
    chosen = data.predict(choose_thresholds(data, objective="f-beta", method="exact"))
    best = by_class(
        data, lambda y, p: float(fbeta_score(y, p, beta=beta, average="binary", zero_division=0))
    )
    for j in np.flatnonzero(data.support):
        found = fbeta_score(data.targets[:, j], chosen[:, j], beta=beta, zero_division=0)
        assert found == pytest.approx(best[j])


@settings(max_examples=100, deadline=None)
@given(tuning_data())
def test_smoothed_is_the_best_of_all_cuts_of_the_smoothed_f1(data: TuningData) -> None:
    def smooth(y: Targets, p: Targets) -> float:
        return (1 + 2 * int((y & p).sum())) / (1 + int(y.sum()) + int(p.sum()))

    best = by_class(data, smooth)
    for j in np.flatnonzero(data.support):
        cuts = list_cuts(data.probabilities[:, j], data.targets[:, j])
        alone = TuningData(
            probabilities=data.probabilities[:, [j]],
            targets=data.targets[:, [j]],
            min_positives=0,
        )
        threshold = choose_thresholds(alone, objective="macro-f1", method="smoothed")
        chosen = alone.predict(threshold)[:, 0]
        half = (data.probabilities[:, j] >= 0.5).astype(np.uint8)
        truth = data.targets[:, j]
        kept_half = micro(truth, chosen) == pytest.approx(micro(truth, half))
        assert smooth(truth, chosen) == pytest.approx(best[j]) or kept_half
        assert len(cuts.thresholds) == len(np.unique(data.probabilities[:, j])) + 1


@settings(max_examples=60, deadline=None)
@given(tuning_data(max_rows=10, max_labels=1), st.integers(0, 3))
def test_bootstrap_draws_are_those_of_weighted_rows(data: TuningData, seed: int) -> None:
    """The best cut of each resample, by looping over cuts with the same draws as weights."""
    scores, truth = data.probabilities[:, 0], data.targets[:, 0]
    assume(truth.any())
    cuts = list_cuts(scores, truth)
    found = resampled(cuts, seed=seed, n_resamples=7)
    rng = np.random.default_rng(seed)
    steps = sorted({float(s) for s in scores[truth == 1]}, reverse=True)
    above = [np.inf, *steps[:-1]]
    positives = [int(truth[scores == s].sum()) for s in steps]
    negatives = [
        int((1 - truth)[(scores >= s) & (scores < a)].sum())
        for s, a in zip(steps, above, strict=True)
    ]
    right = rng.poisson(positives, (7, len(steps)))
    wrong = rng.poisson(negatives, (7, len(steps)))
    expected = []
    for r, w in zip(right, wrong, strict=True):
        if r.sum() == 0:
            continue
        values = [
            r[: i + 1].sum() / (r.sum() + r[: i + 1].sum() + w[: i + 1].sum())
            for i in range(len(r))
        ]
        expected.append(steps[int(np.argmax(values))])
    # the threshold of a resample predicts the rows down to the score found by the loop
    assert [float(scores[scores >= t].min()) for t in found] == expected


@settings(max_examples=60, deadline=None)
@given(tuning_data())
def test_micromacro_is_the_best_cut_of_the_sum_class_after_class(data: TuningData) -> None:
    chosen = data.predict(micromacro(data))
    hits = total = 0
    for n, j in enumerate(np.argsort(-data.support, kind="stable"), start=1):
        y, p = data.targets[:, j].astype(int), data.probabilities[:, j]
        if not y.any():
            continue

        def value(
            sets: NDArray[np.integer],
            n: int = n,
            y: NDArray[np.int64] = y,
            before: tuple[int, int] = (hits, total),
        ) -> float:
            tp, size = int((y & sets).sum()), int(y.sum() + sets.sum())
            return 2 * (before[0] + tp) / (before[1] + size) + 2 * tp / size / n

        mine = chosen[:, j].astype(int)
        assert value(mine) == pytest.approx(max(value((p >= t).astype(int)) for t in every_cut(p)))
        hits, total = hits + int((y & mine).sum()), total + int(y.sum() + mine.sum())


@settings(max_examples=100, deadline=None)
@given(tuning_data(), st.sampled_from([0.3, 0.6, 1.0]))
def test_floors_are_met_at_the_smallest_cost(data: TuningData, floor: float) -> None:
    data = TuningData(
        probabilities=data.probabilities, targets=data.targets, floor=floor, min_positives=0
    )
    assume(data.support.any())
    for objective in ("precision-at-least", "recall-at-least"):
        chosen = data.predict(choose_thresholds(data, objective=objective))
        for j in np.flatnonzero(data.support):
            p, y = data.probabilities[:, j], data.targets[:, j].astype(int)
            outcomes = []
            for t in every_cut(p):
                sets = (p >= t).astype(int)
                tp = int((sets & y).sum())
                outcomes.append((tp / max(sets.sum(), 1), tp / y.sum()))
            mine = chosen[:, j].astype(int)
            tp = int((mine & y).sum())
            precision, recall = tp / max(mine.sum(), 1), tp / y.sum()
            if objective == "recall-at-least":
                assert recall >= floor
                assert precision == max(a for a, b in outcomes if b >= floor)
            elif any(a >= floor for a, _ in outcomes):
                assert precision >= floor
                assert recall == max(b for a, b in outcomes if a >= floor)
            else:
                assert precision == max(a for a, _ in outcomes)


def test_of_cuts_that_lie_close_together_some_are_drawn() -> None:
    data = larger(n=20_000, k=1)
    cuts = list_cuts(data.probabilities[:, 0], data.targets[:, 0])
    every, some = resampled(cuts), resampled(cuts, most_places=64)
    assert len(np.unique(some)) <= 64
    worth = [
        value_of("macro-f1", data, data.predict(np.median(found, keepdims=True)))
        for found in (every, some)
    ]
    assert worth[1] == pytest.approx(worth[0], abs=2e-3)
