"""The forecast for a test of some number of rows, beside the interval of the estimate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmfeat.decide.forecast import MOST_ROWS, forecast, judging_data
from mmfeat.decide.resampling import draw_tests
from mmfeat.decide.thresholds.evaluate import value_of
from mmfeat.decide.tune import tune
from mmfeat.errors import ConfigError
from mmfeat.types import OutOfFold


def scores(n_rows: int, seed: int = 0) -> OutOfFold:
    rng = np.random.default_rng(seed)
    targets = (rng.random((n_rows, 3)) < (0.5, 0.3, 0.2)).astype(np.uint8)
    logits = 2 * targets - 1 + rng.normal(size=targets.shape)
    return OutOfFold(
        ids=tuple(map(str, range(n_rows))),
        labels=("a", "b", "c"),
        probabilities=(1 / (1 + np.exp(-logits))).astype(np.float32),
        targets=targets,
        folds=np.arange(n_rows) % 5,
    )


def test_a_small_test_varies_more_and_a_huge_one_as_the_estimate() -> None:
    given = scores(600)
    decision = tune(given, objective="samples-f1", method="coordinate")
    assert decision.held_out is not None
    low, high = decision.intervals["nested"]
    widths = {}
    for n_rows in (30, 300, MOST_ROWS):
        below, above = forecast(given, decision, decision.held_out, n_rows=n_rows)
        widths[n_rows] = above - below
        assert below < (decision.oof["nested"]["samples_f1"] or 0) < above
    assert widths[30] > 2 * widths[300] > 2 * (high - low)
    assert widths[MOST_ROWS] == pytest.approx(high - low, rel=0.1)
    with pytest.raises(ConfigError, match="--for-rows"):
        forecast(given, decision, decision.held_out, n_rows=10**20)
    again = forecast(given, decision, decision.held_out, n_rows=30)
    assert again == forecast(given, decision, decision.held_out, n_rows=30)


def test_new_tests_lie_in_the_forecast_about_as_often_as_it_says() -> None:
    given, inside = scores(400), []
    decision = tune(given, objective="macro-f1", method="exact")
    assert decision.held_out is not None
    low, high = forecast(given, decision, decision.held_out, n_rows=100)
    for seed in range(1, 201):
        new = scores(100, seed)
        data = judging_data(new, decision)
        value = value_of("macro-f1", data, decision.decide(new.probabilities))
        inside.append(low <= value <= high)
    assert 0.88 <= np.mean(inside) <= 1.0


@pytest.mark.parametrize("objective", ["micro-f1", "macro-f1"])
def test_rows_of_a_group_are_drawn_together(objective: str) -> None:
    given = replace(scores(200), groups=np.arange(200) // 4)
    counts = np.random.default_rng(0).poisson(1, (9, 50)).astype(np.uint8).repeat(4, axis=1)
    tests = draw_tests(counts, given.groups, n_rows=80, rng=np.random.default_rng(1))
    assert (tests.sum(axis=1) == 80).all()
    assert (tests[:, ::4].repeat(4, axis=1) == tests).all()
    assert not tests[counts == 0].any()
    decision = tune(given, objective=objective)
    assert decision.held_out is not None
    low, high = forecast(given, decision, decision.held_out, n_rows=80)
    assert low < high


def test_a_resample_without_rows_still_gives_a_test() -> None:
    tests = draw_tests(np.zeros((2, 3), np.uint8), None, n_rows=5, rng=np.random.default_rng(0))
    assert tests.sum(axis=1).tolist() == [5, 5]
