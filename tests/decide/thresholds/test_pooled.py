"""Thresholds that the classes share, and micro-F1, against brute force on small cases."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.thresholds.choose import choose_thresholds
from mmfeat.decide.thresholds.common import best_common
from mmfeat.decide.thresholds.common_of_rows import best_common_of_rows
from mmfeat.decide.thresholds.evaluate import value_of
from mmfeat.decide.thresholds.pooled import best_global
from mmfeat.types import Targets
from tests.support.made_up.tuning import every_cut, micro, tuning_data


def all_thresholds(data: TuningData, value: Callable[[Targets, Targets], float]) -> float:
    """The best value over all combinations of cuts."""
    cuts = [every_cut(p) for p in data.probabilities.T]
    return max(
        value(data.targets, (data.probabilities >= np.array(t)).astype(np.uint8))
        for t in itertools.product(*cuts)
    )


@settings(max_examples=100, deadline=None)
@given(tuning_data())
def test_one_threshold_for_all_is_the_best_there_is(data: TuningData) -> None:
    assume(data.support.any())
    cuts = every_cut(data.probabilities)

    def best(value: Callable[[Targets], float]) -> float:
        return max(value((data.probabilities >= t).astype(np.uint8)) for t in cuts)

    common: list[tuple[str, NDArray[np.float64] | float]] = [
        ("micro-f1", best_global(data)),
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
    assume(data.support.any())
    chosen = choose_thresholds(data, objective="micro-f1", method="dinkelbach")
    found = micro(data.targets, data.predict(chosen))
    assert found == pytest.approx(all_thresholds(data, micro))


def test_a_class_without_positives_costs_the_others_nothing() -> None:
    # its scores lie so high that any common threshold would take them
    rng = np.random.default_rng(0)
    targets = np.zeros((60, 3), dtype=np.uint8)
    targets[:, :2] = rng.random((60, 2)) < 0.4
    p = np.clip(0.5 * targets + rng.random((60, 3)) / 2, 0.01, 0.99).astype(np.float32)
    p[:, 2] = 0.95
    data = TuningData(probabilities=p, targets=targets)
    present = TuningData(probabilities=p[:, :2].copy(), targets=targets[:, :2].copy())
    for method in ("global", "dinkelbach"):
        chosen = choose_thresholds(data, objective="micro-f1", method=method)
        alone = choose_thresholds(present, objective="micro-f1", method=method)
        assert chosen[:2].tolist() == alone.tolist()
        assert not data.predict(chosen)[:, 2].any()
    assert micro(targets, data.predict(chosen)) == pytest.approx(all_thresholds(data, micro))


@settings(max_examples=100, deadline=None)
@given(tuning_data(), st.integers(1, 9))
def test_the_common_threshold_is_that_of_all_scores_at_once(data: TuningData, some: int) -> None:
    expected = best_common(data), best_common_of_rows(data)
    in_parts = (
        best_common(data, sorted_cells=4 * some, few=0, classes=some),
        best_common_of_rows(data, sorted_cells=4 * some, ranked_cells=4 * some, few=0),
    )
    assert in_parts == expected
