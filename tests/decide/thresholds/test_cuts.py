"""Cuts and corners of one list of scores."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.thresholds.cuts import list_corners, list_cuts
from tests.support.made_up.tuning import tuning_data


@settings(max_examples=100, deadline=None)
@given(tuning_data(), st.integers(1, 7))
def test_corners_are_the_cuts_that_can_be_best(data: TuningData, chunk: int) -> None:
    for p, y in zip(data.probabilities.T, data.targets.T, strict=True):
        cuts = list_cuts(p, y)
        corners = list_corners(p, y, chunk=chunk)
        kept = np.append(0, np.flatnonzero(np.diff(cuts.hits)) + 1)
        for name in ("thresholds", "chosen", "hits"):
            np.testing.assert_array_equal(getattr(corners, name), getattr(cuts, name)[kept])
        if y.any():
            assert corners.best(corners.f_beta()) == cuts.best(cuts.f_beta())


def test_negative_zero_is_zero() -> None:
    cuts = list_cuts(np.array([-0.0, 0.0, 0.5], dtype=np.float32), np.array([1, 0, 1]))
    assert cuts.scores.tolist() == [0.5, 0.0] and cuts.chosen.tolist() == [0, 1, 3]


def test_scores_of_one_leave_room_above() -> None:
    cuts = list_cuts(np.ones(3, dtype=np.float32), np.array([0, 0, 1]))
    assert cuts.thresholds[0] > 1 and cuts.thresholds.tolist()[1] == 0.5
    assert cuts.chosen.tolist() == [0, 3] and cuts.at(1.0) == 1 and cuts.at(1.1) == 0


def test_neighbouring_floats_are_parted() -> None:
    high = 0.3
    scores = np.array([high, np.nextafter(high, 0)])
    cuts = list_cuts(scores, np.array([1, 0]))
    assert [(scores >= t).sum() for t in cuts.thresholds] == [0, 1, 2]
