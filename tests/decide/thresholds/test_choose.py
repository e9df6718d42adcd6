"""What holds for every objective and method."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfeat.decide.thresholds import METHODS, OBJECTIVES, TuningData
from mmfeat.decide.thresholds.choose import choose_thresholds
from mmfeat.decide.thresholds.common import best_common
from mmfeat.decide.thresholds.common_of_rows import best_common_of_rows
from mmfeat.decide.thresholds.evaluate import value_of
from mmfeat.errors import ConfigError, PluginError
from tests.support.made_up.tuning import larger, tuning_data

PAIRS = [(o, m) for o, entry in OBJECTIVES.items() for m in entry.methods]


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


def test_ties_constant_scores_and_one_sided_classes() -> None:
    scores = np.array([[0.7, 0.7, 0.2], [0.7, 0.7, 0.2], [0.7, 0.1, 0.9]], dtype=np.float32)
    truth = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 0]], dtype=np.uint8)
    data = TuningData(probabilities=scores, targets=truth, min_positives=1)
    chosen = choose_thresholds(data, objective="macro-f1", method="exact")
    # constant scores: all or nothing, and all finds the positive; the threshold is below them
    assert chosen[0] == pytest.approx(0.35)
    # only positives: everything is predicted, below the lowest score
    assert chosen[1] == pytest.approx(0.05)
    # no positives: above every score
    assert chosen[2] == pytest.approx(0.95)
    none = TuningData(probabilities=scores, targets=np.zeros_like(truth))
    for objective in OBJECTIVES:
        assert choose_thresholds(none, objective=objective).tolist() == [0.5] * 3


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_class_without_positives_is_predicted_above_its_highest_score_only(
    objective: str,
) -> None:
    """Seen: a class predicted for every row, by a threshold of 0.0 that rare classes share."""
    data = larger()
    scores = data.probabilities.copy()
    scores[:, 0] = np.linspace(0, 1, len(scores))
    scores[:, 2] = 0.0
    targets = data.targets.copy()
    targets[:, [0, 2]] = 0
    data = replace(data, probabilities=scores, targets=targets)
    for method in OBJECTIVES[objective].methods:
        chosen = choose_thresholds(data, objective=objective, method=method)
        assert not data.predict(chosen)[:, 2].any()
        assert method == "fixed" or not data.predict(chosen)[:, 0].any()


def test_unknown_names_list_the_valid_ones() -> None:
    data = larger()
    with pytest.raises(PluginError, match="macro-f1"):
        choose_thresholds(data, objective="f1")
    with pytest.raises(ConfigError, match="bootstrap, exact"):
        choose_thresholds(data, objective="macro-f1", method="global")
    assert {m for _, m in PAIRS} == set(METHODS)
