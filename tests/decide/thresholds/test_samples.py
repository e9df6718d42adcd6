"""Coordinate ascent of samples-F1."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import assume, given, settings

from mmfeat.decide.thresholds import Limits, TuningData
from mmfeat.decide.thresholds.choose import choose_thresholds
from mmfeat.decide.thresholds.evaluate import value_of
from mmfeat.decide.thresholds.samples import rows_used
from mmfeat.types import Targets
from tests.support.made_up.tuning import every_cut, larger, micro, tuning_data


def samples(y: Targets, p: Targets) -> float:
    return float(np.mean([micro(true, found) for true, found in zip(y, p, strict=True)]))


def value(data: TuningData, objective: str, method: str) -> float:
    thresholds = choose_thresholds(data, objective=objective, method=method)
    return value_of(objective, data, data.predict(thresholds))


@settings(max_examples=60, deadline=None)
@given(tuning_data(max_rows=6))
def test_no_single_change_improves_on_coordinate(data: TuningData) -> None:
    assume(data.support.any())
    chosen = choose_thresholds(data, objective="samples-f1", method="coordinate")
    reached = samples(data.targets, data.predict(chosen))
    for j in range(data.n_labels):
        for cut in every_cut(data.probabilities[:, j]):
            other = chosen.copy()
            other[j] = cut
            value = samples(data.targets, data.predict(other))
            assert value <= reached + 1e-9


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


def test_samples_f1_of_many_rows_is_tuned_on_some() -> None:
    data = larger(n=20_000)
    best = value(data, "samples-f1", "coordinate")
    some = replace(data, limits=Limits(sampled_cells=20_000))
    assert rows_used(some) == 5_000
    assert best - 0.005 < value(some, "samples-f1", "coordinate") <= best
