"""Decisions on targets that are partly unknown: what is unknown counts nowhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfeat.decide.ap_intervals import class_ap_intervals
from mmfeat.decide.calibration.calibration import fit_calibration
from mmfeat.decide.per_class import SEPARABLE, spread
from mmfeat.decide.thresholds import OBJECTIVES, TuningData
from mmfeat.decide.thresholds.choose import choose_thresholds
from mmfeat.decide.thresholds.evaluate import value_of, values_of
from mmfeat.decide.tune import tune
from mmfeat.types import UNKNOWN, OutOfFold, Targets
from tests.support.made_up.tuning import larger

EVERY_METHOD = [(name, method) for name, each in OBJECTIVES.items() for method in each.methods]


@st.composite
def one_class(draw: st.DrawFn) -> TuningData:
    """Rows of one class, with ties, of which some are unknown and one at least is not."""
    cells = st.tuples(st.integers(1, 6), st.sampled_from([0, 1, UNKNOWN]))
    drawn = draw(st.lists(cells, min_size=1, max_size=9))
    scores, truth = np.array([*drawn, (3, draw(st.sampled_from([0, 1])))]).T
    return TuningData(
        probabilities=(scores / 6).astype(np.float32)[:, None],
        targets=truth.astype(np.uint8)[:, None],
        min_positives=draw(st.integers(0, 2)),
    )


@settings(max_examples=40, deadline=None)
@given(data=one_class())
@pytest.mark.parametrize(("objective", "method"), EVERY_METHOD)
def test_thresholds_are_those_of_the_known_rows_alone(
    objective: str, method: str, data: TuningData
) -> None:
    alone = data.rows(data.targets[:, 0] != UNKNOWN)
    found = choose_thresholds(data, objective=objective, method=method)
    if alone.support.any():
        assert found == choose_thresholds(alone, objective=objective, method=method)
        if objective in SEPARABLE:  # others resample rows
            assert spread(data, objective, method) == spread(alone, objective, method)
    worth = value_of(objective, data, data.predict(found))
    assert worth == value_of(objective, alone, alone.predict(found))


def with_holes(targets: Targets, *, share: float = 0.3, seed: int = 0) -> Targets:
    hidden = np.random.default_rng(seed).random(targets.shape) < share
    return np.where(hidden, UNKNOWN, targets).astype(np.uint8)


@pytest.mark.parametrize(("objective", "method"), EVERY_METHOD)
def test_thresholds_of_several_classes_ignore_the_scores_of_unknown_labels(
    objective: str, method: str
) -> None:
    data = replace(larger(), targets=with_holes(larger().targets))
    other = np.where(data.targets == UNKNOWN, 0.99, data.probabilities).astype(np.float32)
    found = choose_thresholds(data, objective=objective, method=method)
    again = choose_thresholds(
        replace(data, probabilities=other), objective=objective, method=method
    )
    assert np.array_equal(found[data.support > 0], again[data.support > 0])
    half = np.full(4, 0.5)
    assert value_of(objective, data, data.predict(found)) >= value_of(
        objective, data, data.predict(half)
    )


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_resamples_of_each_row_once_have_the_value_of_all_rows(objective: str) -> None:
    targets = with_holes(larger().targets)
    targets[:20] = UNKNOWN
    data = replace(larger(), targets=targets)
    predicted = data.predict(np.full(4, 0.4))
    once = values_of(objective, data, predicted, np.ones((2, len(targets)), np.uint8))
    assert once == pytest.approx([value_of(objective, data, predicted)] * 2)
    assert value_of(objective, data, predicted) == pytest.approx(
        value_of(objective, data.rows(np.arange(20, len(targets))), predicted[20:])
    )


def out_of_fold(targets: Targets) -> OutOfFold:
    n, k = targets.shape
    return OutOfFold(
        ids=tuple(map(str, range(n))),
        labels=tuple("abcdefgh"[:k]),
        probabilities=larger().probabilities,
        targets=targets,
        folds=np.arange(n) % 4,
    )


@pytest.mark.parametrize("objective", ["macro-f1", "samples-f1", "micro-f1"])
def test_a_decision_tells_how_much_is_unknown_and_judges_the_rest(objective: str) -> None:
    decision = tune(out_of_fold(with_holes(larger().targets)), objective=objective)
    assert any("% of the labels are unknown and count nowhere" in note for note in decision.notes)
    whole = tune(out_of_fold(larger().targets), objective=objective)
    assert not any("unknown" in note for note in whole.notes)
    name = objective.replace("-", "_")
    found, wanted = decision.oof["nested"][name], whole.oof["nested"][name]
    assert found is not None and wanted is not None and abs(found - wanted) < 0.12


def test_a_class_that_is_unknown_in_a_fold_or_everywhere_is_not_calibrated() -> None:
    targets = larger().targets.copy()
    targets[::4, 0] = UNKNOWN
    targets[:, 1] = UNKNOWN
    for objective in OBJECTIVES:
        decision = tune(out_of_fold(targets), objective=objective)
        assert decision.per_class[1]["support"] == 0
    found = fit_calibration(larger().probabilities, targets, np.arange(len(targets)) % 4)
    assert [each.kind for each in found.maps[:2]] == ["identity"] * 2
    assert np.isfinite([*found.before.values(), *found.after.values()]).all()


def test_calibration_is_that_of_the_known_rows_alone() -> None:
    data = larger()
    targets, folds = with_holes(data.targets), np.arange(len(data.targets)) % 4
    found = fit_calibration(data.probabilities, targets, folds, nested=True)
    for j in range(4):
        rows = targets[:, j] != UNKNOWN
        alone = fit_calibration(
            data.probabilities[rows][:, [j]], targets[rows][:, [j]], folds[rows], nested=True
        )
        assert found.maps[j] == alone.maps[0]
        assert [each[j] for each in found.without] == [each[0] for each in alone.without]


def test_intervals_of_average_precision_ignore_unknown_rows() -> None:
    data = larger()
    targets = with_holes(data.targets)
    other = np.where(targets == UNKNOWN, 0.99, data.probabilities).astype(np.float32)
    found = class_ap_intervals(data.probabilities, targets, n_resamples=50)
    assert np.array_equal(found, class_ap_intervals(other, targets, n_resamples=50), equal_nan=True)
