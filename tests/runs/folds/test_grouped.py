"""Folds that keep groups whole are balanced as well as groups allow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfeat.runs.folds.stratify import make_folds
from mmfeat.types import IntArray, Targets


def related(n_rows: int, n_labels: int, n_groups: int) -> tuple[Targets, IntArray]:
    """Rows whose labels are mostly those of their group."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, n_groups, n_rows)
    rates = 0.3 / np.arange(1, n_labels + 1) ** 0.8
    own, shared = rng.random((n_rows, n_labels)), rng.random((n_groups, n_labels))
    targets = np.where(rng.random(own.shape) < 0.15, own < rates, shared[groups] < rates)
    return targets.astype(np.uint8), groups


def differences(targets: Targets, folds: IntArray, n_folds: int) -> np.ndarray:
    """How far the share of each class in each fold is from equal, (K, k)."""
    counts = np.stack([targets[folds == fold].sum(axis=0) for fold in range(n_folds)])
    found: np.ndarray = np.abs(counts / targets.sum(axis=0) - 1 / n_folds)
    return found


@pytest.mark.parametrize(("n_rows", "n_groups"), [(2000, 500), (6000, 1500)])
def test_many_small_groups_are_balanced_as_well_as_single_rows(n_rows: int, n_groups: int) -> None:
    targets, groups = related(n_rows, 10, n_groups)
    alone = differences(targets, make_folds(targets, n_folds=5, seed=0), 5)
    kept = differences(targets, make_folds(targets, n_folds=5, seed=0, groups=groups), 5)
    assert kept.mean() < 1.5 * alone.mean() + 1e-3
    assert kept.max() < 2 * alone.max() + 2e-3


@given(st.integers(2, 4), st.integers(0, 5), st.integers(4, 12))
def test_groups_stay_whole_and_no_fold_is_empty(n_folds: int, seed: int, n_groups: int) -> None:
    targets, _ = related(40, 3, 10)
    groups = np.concatenate([np.arange(n_groups), np.zeros(40 - n_groups, np.int64)])
    folds = make_folds(targets, n_folds=n_folds, seed=seed, groups=groups)
    assert len(set(folds[groups == 0])) == 1
    assert set(folds) == set(range(n_folds))
    again = make_folds(targets, n_folds=n_folds, seed=seed, groups=groups)
    np.testing.assert_array_equal(folds, again)


def test_rows_without_labels_are_shared_out_evenly() -> None:
    groups = np.arange(60) // 3
    folds = make_folds(np.zeros((60, 2), np.uint8), n_folds=5, seed=0, groups=groups)
    assert np.bincount(folds).tolist() == [12] * 5
