"""Folds of the table, forward in time, and of a split that judges."""

from __future__ import annotations

import numpy as np
import pytest

from mmfeat.errors import FitError
from mmfeat.runs.folds import Folds
from mmfeat.runs.folds.ways import folds_in_time, folds_of_names, folds_of_validation


def test_folds_of_names_are_numbered_in_their_order() -> None:
    assert folds_of_names(["10", "2", "b", "2", "a"]).held_out.tolist() == [1, 0, 3, 0, 2]


def test_heads_of_crossed_folds_learn_from_all_others() -> None:
    folds = Folds(np.array([0, 1, 0, 2]))
    assert [fold.train.tolist() for fold in folds.for_heads()] == [[1, 3], [0, 2, 3], [0, 1, 2]]


def test_folds_in_time_learn_from_what_was_before() -> None:
    times = np.array([5.0, 1.0, 3.0, 2.0, 4.0, 0.0])
    folds = folds_in_time(times, n_folds=2)
    assert folds.kind == "forward" and folds.held_out.tolist() == [1, -1, 0, 0, 1, -1]
    for fold in folds.for_heads():
        assert times[fold.train].max() < times[fold.judged].min()
    assert folds.judged.tolist() == [True, False, True, True, True, False]
    assert folds.of_judged.tolist() == [1, 0, 0, 1]
    assert [fold.train.tolist() for fold in folds.for_stackers()] == [[0, 4], [2, 3]]


def test_rows_of_one_time_are_in_one_block() -> None:
    times = np.repeat(np.arange(6.0), 5)
    held_out = folds_in_time(times, n_folds=3).held_out.reshape(6, 5)
    assert (held_out == held_out[:, :1]).all() and set(held_out.ravel()) == {-1, 0, 1, 2}


def test_a_group_belongs_to_the_time_of_its_last_row() -> None:
    times, groups = np.arange(6.0), np.array([0, 1, 2, 3, 4, 0])
    held_out = folds_in_time(times, n_folds=2, groups=groups).held_out
    assert held_out[0] == held_out[5] == 1


def test_too_few_times_are_refused() -> None:
    with pytest.raises(FitError, match="2 blocks of rows, not 4"):
        folds_in_time(np.repeat([0.0, 1.0], 10), n_folds=3)


def test_one_head_judges_all_rows_of_a_validation_split() -> None:
    judging = np.arange(30) >= 20
    targets = (np.random.default_rng(0).random((30, 2)) < 0.5).astype(np.uint8)
    folds = folds_of_validation(targets, judging, n_folds=2, seed=0)
    (fold,) = folds.for_heads()
    assert fold.train.tolist() == list(range(20)) and fold.judged.tolist() == list(range(20, 30))
    first, second = folds.for_stackers()
    assert sorted([*first.judged, *second.judged]) == list(range(20, 30))
    assert set(first.train) == set(second.judged)
