"""What the same labels for every row would reach."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from mmfeat.decide.same_labels import judge_same_labels
from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.thresholds.evaluate import value_of
from mmfeat.types import UNKNOWN

N, K = 60, 5


def made_up(*, unknown: float = 0.0) -> tuple[TuningData, np.ndarray]:
    """Rows of five labels, from frequent to rare, and three folds that hold the same rows."""
    rng = np.random.default_rng(0)
    targets = (rng.random((N, K)) < [0.7, 0.5, 0.3, 0.2, 0.1]).astype(np.uint8)
    targets[rng.random((N, K)) < unknown] = UNKNOWN
    targets = np.tile(targets, (3, 1))
    data = TuningData(probabilities=np.zeros(targets.shape, np.float32), targets=targets)
    return data, np.repeat(np.arange(3), N)


@pytest.mark.parametrize("unknown", [0.0, 0.3])
@pytest.mark.parametrize("objective", ["macro-f1", "f-beta", "micro-f1", "samples-f1"])
def test_no_other_set_of_labels_reaches_more(objective: str, unknown: float) -> None:
    data, folds = made_up(unknown=unknown)
    best = 0.0
    for size in range(1, K + 1):
        for labels in combinations(range(K), size):
            sets = np.zeros_like(data.targets)
            sets[:, labels] = 1
            best = max(best, value_of(objective, data, sets))
    found = judge_same_labels(objective, data, [folds], low=1.0)
    assert found is not None
    assert found.value == pytest.approx(best)


def test_the_best_entry_must_lie_above_it_with_its_whole_interval() -> None:
    data, folds = made_up()
    found = judge_same_labels("macro-f1", data, [folds], low=1.0)
    assert found is not None
    assert found.is_beaten
    assert "would reach macro-f1" in found.describe("macro-f1")
    found = judge_same_labels("macro-f1", data, [folds], low=found.value)
    assert found is not None
    assert not found.is_beaten
    assert found.describe("macro-f1").startswith("no entry is measurably better")


def test_an_objective_with_a_floor_has_none() -> None:
    data, folds = made_up()
    assert judge_same_labels("precision-at-least", data, [folds], low=0.0) is None
