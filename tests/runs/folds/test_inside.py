"""Rows held out inside a fit: groups stay whole, and without groups all is as it was."""

from __future__ import annotations

import numpy as np
import pytest

from mmfeat.runs.folds.inside import hold_out, share_out


def test_without_groups_the_first_tenth_judges() -> None:
    order = np.random.default_rng(0).permutation(415)
    for groups in (None, np.arange(415)):  # and where every row is a group of its own
        judging, learning = hold_out(order, groups)
        assert np.array_equal(judging, order[:41]) and np.array_equal(learning, order[41:])
    assert len(hold_out(order[:199], None)[0]) == 0  # 19 rows are too few to stop by


@pytest.mark.parametrize("n_groups", (3, 8, 40, 300))
def test_groups_stay_whole_and_have_about_a_tenth(n_groups: int) -> None:
    rng = np.random.default_rng(n_groups)
    groups = rng.permutation(np.concatenate([np.arange(n_groups), rng.choice(n_groups, 2000)]))
    rows = rng.permutation(len(groups))[:1000]
    judging, learning = hold_out(rows, groups)
    assert not set(groups[judging]) & set(groups[learning])
    assert sorted([*judging, *learning]) == sorted(rows)
    smallest = np.bincount(groups[rows])[np.unique(groups[rows])].min()
    assert max(100, smallest) <= len(judging) < max(200, smallest + 1)


def test_a_group_of_most_rows_is_learned_from() -> None:
    groups = np.where(np.arange(1000) < 700, 0, np.arange(1000))
    judging, learning = hold_out(np.arange(1000), groups)
    assert len(judging) == 100 and judging.min() >= 700 and len(learning) == 900
    assert len(hold_out(np.arange(1000), np.zeros(1000, np.int64))[0]) == 0


def test_parts_keep_groups_whole_and_are_as_before_without() -> None:
    groups = np.random.default_rng(0).integers(50, size=400) * 7
    parts = share_out(400, groups, n_parts=3, seed=1)
    for number in range(3):
        assert not set(groups[parts == number]) & set(groups[parts != number])
    before = np.random.default_rng(1).permutation(400) % 3
    for single in (None, np.arange(400) + 5):
        assert np.array_equal(share_out(400, single, n_parts=3, seed=1), before)
