from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import poisson

from mmfeat.decide.resampling import (
    COUNTS_IN_MEMORY,
    LEVELS,
    N_RESAMPLES,
    draw_counts,
    poisson_counts,
    resampled_values,
)
from mmfeat.decide.thresholds import TuningData
from mmfeat.metrics import summarise
from mmfeat.types import Float64Array, IntArray, Targets

N_ROWS = 600


def made_up(seed: int = 0) -> tuple[TuningData, IntArray, Targets]:
    """Targets of four classes, five folds, and a prediction that is wrong in a tenth of cells."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((N_ROWS, 4)) < 0.3).astype(np.uint8)
    predicted = targets ^ (rng.random(targets.shape) < 0.1)
    data = TuningData(probabilities=predicted.astype(np.float32), targets=targets)
    return data, rng.permutation(N_ROWS) % 5, predicted.astype(np.uint8)


@pytest.mark.parametrize("objective", ["macro-f1", "micro-f1", "samples-f1"])
def test_resamples_lie_around_the_value_itself(objective: str) -> None:
    data, folds, predicted = made_up()
    values = resampled_values(objective, data, {0: folds}, {"a": {0: predicted}})["a"]
    found = summarise(None, predicted, data.targets)[objective.replace("-", "_")]
    assert values.shape == (N_RESAMPLES,)
    assert abs(values.mean() - (found or 0)) < values.std()
    assert 0 < values.std() < 0.1


def test_equal_predictions_differ_in_no_resample() -> None:
    data, folds, predicted = made_up()
    values = resampled_values(
        "macro-f1", data, {0: folds}, {"a": {0: predicted}, "b": {0: predicted.copy()}}
    )
    assert np.array_equal(values["a"], values["b"])


def test_a_prediction_that_is_always_better_is_better_in_every_resample() -> None:
    data, folds, predicted = made_up()
    values = resampled_values(
        "samples-f1", data, {0: folds}, {"a": {0: predicted}, "truth": {0: data.targets}}
    )
    assert (values["truth"] > values["a"]).all()


def test_seeds_share_their_rows_so_more_of_them_hide_no_uncertainty() -> None:
    data, folds, predicted = made_up()
    other = np.random.default_rng(9).permutation(N_ROWS) % 5
    one = resampled_values("macro-f1", data, {0: folds}, {"a": {0: predicted}})["a"]
    both = resampled_values(
        "macro-f1", data, {0: folds, 1: other}, {"a": {0: predicted, 1: predicted}}
    )["a"]
    # with rows of their own, two seeds would narrow the interval to 1/√2 of one seed's
    assert both.std() > 0.75 * one.std()


def test_the_folds_of_a_prediction_are_drawn_alike_whatever_stands_beside_it() -> None:
    data, folds, predicted = made_up()
    other = np.random.default_rng(9).permutation(N_ROWS) % 5
    alone = resampled_values("macro-f1", data, {0: folds}, {"a": {0: predicted}})["a"]
    beside = resampled_values(
        "macro-f1", data, {1: other, 0: folds}, {"b": {1: predicted}, "a": {0: predicted}}
    )["a"]
    assert np.array_equal(alone, beside)


def test_the_same_seed_gives_the_same_resamples_and_blocks_do_not_matter() -> None:
    data, folds, predicted = made_up()
    folds_by_way, predicted_by_way = {0: folds}, {"a": {0: predicted}}

    def values(seed: int = 0, counts: int = COUNTS_IN_MEMORY) -> Float64Array:
        return resampled_values(
            "macro-f1",
            data,
            folds_by_way,
            predicted_by_way,
            seed=seed,
            counts_in_memory=counts,
        )["a"]

    first = values()
    assert np.array_equal(first, values())
    assert not np.array_equal(first, values(seed=1))
    again = values(counts=100 * N_ROWS)
    assert again.shape == first.shape
    assert abs(again.std() - first.std()) < 0.2 * first.std()


@pytest.mark.parametrize("mean", [0, 1, 2, 7, 40])
def test_counts_have_the_quantiles_of_a_poisson_distribution(mean: int) -> None:
    at = (np.arange(LEVELS) + 0.5) / LEVELS
    expected = poisson.ppf(at, mean) if mean else np.zeros(LEVELS)
    np.testing.assert_array_equal(poisson_counts(mean), expected)


def test_rows_of_a_group_count_together() -> None:
    groups = np.array([7, 3, 3, 7, 5, 7])
    ((way, counts),) = [
        next(block) for block in draw_counts({"one": np.zeros(6, np.int64)}, groups=groups)
    ]
    assert way == "one" and counts.shape == (N_RESAMPLES, 6)
    np.testing.assert_array_equal(counts[:, [0, 1, 0]], counts[:, [3, 2, 5]])
    assert len({tuple(column) for column in counts.T.tolist()}) == 3
    assert counts.mean() == pytest.approx(1, abs=0.1)


def test_groups_of_one_row_are_rows_and_larger_ones_widen_the_interval() -> None:
    data, folds, predicted = made_up()

    def deviation(data: TuningData, folds: IntArray, predicted: Targets) -> float:
        values = resampled_values("samples-f1", data, {0: folds}, {"a": {0: predicted}})["a"]
        return float(values.std())

    alone = replace(data, groups=np.arange(N_ROWS))
    assert deviation(alone, folds, predicted) == deviation(data, folds, predicted)
    rows = np.repeat(np.arange(N_ROWS), 6)
    copied = data.rows(rows)
    grouped = replace(copied, groups=rows)
    naive = deviation(copied, folds[rows], predicted[rows])
    assert deviation(grouped, folds[rows], predicted[rows]) > 1.1 * naive
