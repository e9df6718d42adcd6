"""Ever more distant neighbours are kept together."""

from __future__ import annotations

import numpy as np

from mmfeat.near.rows import unit
from mmfeat.sensitivity.neighbours import LARGEST_PART, SHARES, ways_to_keep
from tests.support.made_up.near import nearly, vectors


def test_groups_grow_as_the_cosine_falls() -> None:
    units = unit([vectors(300, mean=0.0)])
    first, *others = ways_to_keep(units, None)
    assert first.cosine is None and first.groups is None and first.linked == 0
    assert 1 <= len(others) <= len(SHARES)
    cosines = [kept.cosine for kept in others]
    assert cosines == sorted(cosines, key=lambda cosine: -(cosine or 0))
    products = units @ units.T
    for share, kept in zip(SHARES, others, strict=False):
        assert kept.groups is not None and kept.cosine is not None
        assert share <= kept.linked <= 2 * share
        assert np.bincount(kept.groups).max() <= LARGEST_PART * 300
        for row, group in enumerate(kept.groups):
            if group != row:  # the row has a neighbour above the bound in its group
                inside = (kept.groups == group) & (np.arange(300) != row)
                assert products[row, inside].max() >= kept.cosine - 1e-6


def test_rows_that_are_related_anyway_are_no_neighbours() -> None:
    rows = vectors(240, mean=0.0)
    rows[120:] = rows[:120]
    given = np.tile(np.arange(120), 2)
    first, *others = ways_to_keep(unit([rows]), given)
    assert first.groups is given
    for kept in others:
        assert kept.groups is not None and kept.cosine is not None and kept.cosine < 0.99
        np.testing.assert_array_equal(kept.groups[:120], kept.groups[120:])


def test_what_chains_everything_is_left_out() -> None:
    rows = vectors(250, mean=0.0)
    rows[:100] = nearly(np.tile(rows[:1], (100, 1)) + vectors(100) / 50)
    ways = list(ways_to_keep(unit([rows]), None))
    assert 1 <= len(ways) < 1 + len(SHARES)
