"""Every method against brute force on small cases, and what holds for all of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import fbeta_score

from mmfeat.decide.thresholds import METHODS, OBJECTIVES, TuningData
from mmfeat.decide.thresholds.band import find_band
from mmfeat.decide.thresholds.choose import choose_thresholds
from mmfeat.decide.thresholds.cuts import list_corners, list_cuts
from mmfeat.decide.thresholds.evaluate import value_of
from mmfeat.decide.thresholds.pooled import best_common, best_common_of_rows, best_global
from mmfeat.decide.thresholds.samples import rows_used
from mmfeat.decide.thresholds.separable import resampled
from mmfeat.decide.thresholds.tuning_data import Limits
from mmfeat.errors import ConfigError, PluginError
from mmfeat.types import FloatArray, Targets

PAIRS = [(o, m) for o, entry in OBJECTIVES.items() for m in entry.methods]


@st.composite
def tuning_data(
    draw: st.DrawFn, *, max_rows: int = 8, max_labels: int = 3, min_positives: int = 0
) -> TuningData:
    """Small tables with many ties, classes without positives and constant scores."""
    n, k = draw(st.integers(2, max_rows)), draw(st.integers(1, max_labels))
    cells = draw(
        st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=n * k, max_size=n * k)
    )
    scores = np.array([s / 6 for s, _ in cells], dtype=np.float32).reshape(n, k)
    truth = np.array([t for _, t in cells], dtype=np.uint8).reshape(n, k)
    return TuningData(probabilities=scores, targets=truth, min_positives=min_positives)


def larger(seed: int = 0, n: int = 400, k: int = 4) -> TuningData:
    """Learnable scores; the last class is rare."""
    rng = np.random.default_rng(seed)
    rates = np.linspace(0.5, 0.01, k)
    targets = (rng.random((n, k)) < rates).astype(np.uint8)
    logits = 2.5 * targets + rng.normal(size=(n, k)) + np.log(rates / (1 - rates))
    return TuningData(probabilities=(1 / (1 + np.exp(-logits))).astype(np.float32), targets=targets)


def every_cut(scores: FloatArray) -> list[float]:
    """A threshold for every outcome there is, found without sorting cleverness."""
    return [*sorted({float(s) for s in scores.ravel()}), 1.5]


def by_class(data: TuningData, score: Callable[[Targets, Targets], float]) -> NDArray[np.float64]:
    """The best value of each class over every cut."""
    return np.array(
        [
            max(score(y, (p >= t).astype(np.uint8)) for t in every_cut(p))
            for p, y in zip(data.probabilities.T, data.targets.T, strict=True)
        ]
    )


def all_thresholds(data: TuningData, value: Callable[[Targets, Targets], float]) -> float:
    """The best value over all combinations of cuts."""
    cuts = [every_cut(p) for p in data.probabilities.T]
    return max(
        value(data.targets, (data.probabilities >= np.array(t)).astype(np.uint8))
        for t in itertools.product(*cuts)
    )


def micro(y: Targets, p: Targets) -> float:
    size = int(y.sum()) + int(p.sum())
    return 2 * int((y & p).sum()) / size if size else 0.0


def samples(y: Targets, p: Targets) -> float:
    return float(np.mean([micro(true, found) for true, found in zip(y, p, strict=True)]))


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
    if not truth.any():
        return
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


@settings(max_examples=100, deadline=None)
@given(tuning_data())
def test_one_threshold_for_all_is_the_best_there_is(data: TuningData) -> None:
    if not data.support.any():
        return
    cuts = every_cut(data.probabilities)

    def best(value: Callable[[Targets], float]) -> float:
        return max(value((data.probabilities >= t).astype(np.uint8)) for t in cuts)

    common: list[tuple[str, NDArray[np.float64] | float]] = [
        ("micro-f1", choose_thresholds(data, objective="micro-f1", method="global")),
        ("macro-f1", best_common(data)),
        ("samples-f1", best_common_of_rows(data)),
    ]
    for objective, found in common:
        value = value_of(objective, data, data.predict(np.broadcast_to(found, data.n_labels)))
        expected = best(lambda p, name=objective: value_of(name, data, p))  # type: ignore[misc]
        assert value == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(tuning_data(max_rows=6))
def test_dinkelbach_is_the_best_of_all_thresholds(data: TuningData) -> None:
    if data.support.any():
        chosen = choose_thresholds(data, objective="micro-f1", method="dinkelbach")
        found = micro(data.targets, data.predict(chosen))
        assert found == pytest.approx(all_thresholds(data, micro))


@settings(max_examples=60, deadline=None)
@given(tuning_data(max_rows=6))
def test_no_single_change_improves_on_coordinate(data: TuningData) -> None:
    if not data.support.any():
        return
    chosen = choose_thresholds(data, objective="samples-f1", method="coordinate")
    reached = samples(data.targets, data.predict(chosen))
    for j in range(data.n_labels):
        for cut in every_cut(data.probabilities[:, j]):
            other = chosen.copy()
            other[j] = cut
            value = samples(data.targets, data.predict(other))
            assert value <= reached + 1e-9


@settings(max_examples=60, deadline=None)
@given(tuning_data())
def test_micromacro_is_the_best_cut_of_the_sum_class_after_class(data: TuningData) -> None:
    from mmfeat.decide.thresholds.separable import micromacro  # noqa: PLC0415

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
    if not data.support.any():
        return
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


@pytest.mark.parametrize(("objective", "method"), PAIRS)
@settings(max_examples=40, deadline=None)
@given(data=tuning_data(max_rows=14, max_labels=4, min_positives=3), seed=st.integers(0, 99))
def test_tuned_is_never_below_half_and_knows_no_order(
    objective: str, method: str, data: TuningData, seed: int
) -> None:
    chosen = choose_thresholds(data, objective=objective, method=method)
    assert chosen.shape == (data.n_labels,) and np.isfinite(chosen).all()
    assert ((chosen >= 0) & (chosen <= np.nextafter(1, 2))).all()
    half = data.predict(np.full(data.n_labels, 0.5))
    tuned = value_of(objective, data, data.predict(chosen))
    assert tuned >= value_of(objective, data, half) - 1e-12
    order = np.random.default_rng(seed).permutation(len(data.targets))
    again = choose_thresholds(data.rows(order), objective=objective, method=method)
    np.testing.assert_array_equal(chosen, again)


@pytest.mark.parametrize(("objective", "method"), PAIRS)
def test_larger_problems_gain_and_know_no_order(objective: str, method: str) -> None:
    data = larger()
    chosen = choose_thresholds(data, objective=objective, method=method)
    half = data.predict(np.full(data.n_labels, 0.5))
    gain = value_of(objective, data, data.predict(chosen)) - value_of(objective, data, half)
    assert gain == 0 if method == "fixed" else gain > 0
    order = np.random.default_rng(1).permutation(len(data.targets))
    again = choose_thresholds(data.rows(order), objective=objective, method=method)
    np.testing.assert_array_equal(chosen, again)


def test_rare_classes_share_the_best_common_threshold() -> None:
    data = larger()
    assert data.rare.tolist() == [False, False, False, True]
    chosen = choose_thresholds(data, objective="macro-f1")
    assert chosen[3] in (best_common(data), 0.5)
    assert choose_thresholds(data, objective="samples-f1")[3] == best_common_of_rows(data)


def test_equal_worth_is_equal_in_any_order_of_the_rows() -> None:
    p = [[1, 0], [1, 1], [1, 0], [0, 0], [1, 0], [0, 1], [1, 1], *[[0, 1]] * 3, [1, 1], [0, 1]]
    y = [
        [1, 0],
        [0, 1],
        [1, 0],
        [0, 0],
        *[[1, 0], [1, 1]],
        [1, 0],
        *[[0, 1]] * 2,
        [1, 0],
        *[[0, 1]] * 2,
    ]
    data = TuningData(
        probabilities=(np.array(p) / 2).astype(np.float32),
        targets=np.array(y, dtype=np.uint8),
        min_positives=3,
    )
    chosen = choose_thresholds(data, objective="samples-f1")
    turned = data.rows(np.random.default_rng(0).permutation(len(p)))
    np.testing.assert_array_equal(chosen, choose_thresholds(turned, objective="samples-f1"))


def test_ties_constant_scores_and_one_sided_classes() -> None:
    scores = np.array([[0.7, 0.7, 0.2], [0.7, 0.7, 0.2], [0.7, 0.1, 0.9]], dtype=np.float32)
    truth = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 0]], dtype=np.uint8)
    data = TuningData(probabilities=scores, targets=truth, min_positives=1)
    chosen = choose_thresholds(data, objective="macro-f1", method="exact")
    # constant scores: all or nothing, and all finds the positive; the threshold is below them
    assert chosen[0] == pytest.approx(0.35)
    # only positives: everything is predicted, below the lowest score
    assert chosen[1] == pytest.approx(0.05)
    # no positives: the threshold of the other classes together
    assert chosen[2] == best_common(data)
    none = TuningData(probabilities=scores, targets=np.zeros_like(truth))
    for objective in OBJECTIVES:
        assert choose_thresholds(none, objective=objective).tolist() == [0.5] * 3


@settings(max_examples=100, deadline=None)
@given(tuning_data(), st.integers(1, 7))
def test_corners_are_the_cuts_that_can_be_best(data: TuningData, chunk: int) -> None:
    for p, y in zip(data.probabilities.T, data.targets.T, strict=True):
        cuts = list_cuts(p, y)
        corners = list_corners(p, y, chunk=chunk)
        kept = np.append(0, np.flatnonzero(np.diff(cuts.hits)) + 1)
        for name in ("thresholds", "chosen", "hits"):
            np.testing.assert_array_equal(getattr(corners, name), getattr(cuts, name)[kept])
        if y.any():
            assert corners.best(corners.f_beta()) == cuts.best(cuts.f_beta())


@settings(max_examples=100, deadline=None)
@given(tuning_data(), st.integers(1, 9))
def test_the_common_threshold_is_that_of_all_scores_at_once(data: TuningData, some: int) -> None:
    expected = best_common(data), best_common_of_rows(data)
    in_parts = (
        best_common(data, sorted_cells=4 * some),
        best_common_of_rows(data, sorted_cells=4 * some, ranked_rows=some),
    )
    assert in_parts == expected


@settings(max_examples=100, deadline=None)
@given(tuning_data(min_positives=1), st.integers(0, 99))
def test_the_best_global_cut_lies_in_the_band(data: TuningData, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = data.probabilities * np.float32(rng.choice([1, 1e-3, 0.99])) ** rng.integers(1, 4)
    spread = replace(data, probabilities=p.astype(np.float32))
    expected = best_global(spread)
    np.testing.assert_array_equal(best_global(spread, few=0, chunk=5), expected)


def test_the_band_of_many_scores_is_narrow() -> None:
    data = larger(n=20_000)
    expected = best_global(data)
    scores = data.probabilities.ravel()
    band = find_band(scores, data.targets.ravel(), few=0)
    assert ((scores >= band.low) & (scores < band.high)).mean() < 0.2
    assert band.low < expected[0] < band.high
    np.testing.assert_array_equal(best_global(data, few=0), expected)


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


def test_samples_f1_of_many_rows_is_tuned_on_some() -> None:
    data = larger(n=20_000)
    best = value(data, "samples-f1", "coordinate")
    some = replace(data, limits=Limits(sampled_cells=20_000))
    assert rows_used(some) == 5_000
    assert best - 0.005 < value(some, "samples-f1", "coordinate") <= best


def value(data: TuningData, objective: str, method: str) -> float:
    thresholds = choose_thresholds(data, objective=objective, method=method)
    return value_of(objective, data, data.predict(thresholds))


def test_negative_zero_is_zero() -> None:
    cuts = list_cuts(np.array([-0.0, 0.0, 0.5], dtype=np.float32), np.array([1, 0, 1]))
    assert cuts.scores.tolist() == [0.5, 0.0] and cuts.chosen.tolist() == [0, 1, 3]


def test_scores_of_one_leave_room_above() -> None:
    cuts = list_cuts(np.ones(3, dtype=np.float32), np.array([0, 0, 1]))
    assert cuts.thresholds[0] > 1 and cuts.thresholds.tolist()[1] == 0.5
    assert cuts.chosen.tolist() == [0, 3] and cuts.at(1.0) == 1 and cuts.at(1.1) == 0


def test_neighbouring_floats_are_parted() -> None:
    high = 0.3
    scores = np.array([high, np.nextafter(high, 0)])
    cuts = list_cuts(scores, np.array([1, 0]))
    assert [(scores >= t).sum() for t in cuts.thresholds] == [0, 1, 2]


def test_unknown_names_list_the_valid_ones() -> None:
    data = larger()
    with pytest.raises(PluginError, match="macro-f1"):
        choose_thresholds(data, objective="f1")
    with pytest.raises(ConfigError, match="bootstrap, exact"):
        choose_thresholds(data, objective="macro-f1", method="global")
    assert {m for _, m in PAIRS} == set(METHODS)
