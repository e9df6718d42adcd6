"""The band holds the best global cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.thresholds.band import find_band
from mmfeat.decide.thresholds.pooled import best_global
from tests.support.made_up.tuning import larger, tuning_data


@settings(max_examples=100, deadline=None)
@given(tuning_data(min_positives=1), st.integers(0, 99))
def test_the_best_global_cut_lies_in_the_band(data: TuningData, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = data.probabilities * np.float32(rng.choice([1, 1e-3, 0.99])) ** rng.integers(1, 4)
    spread = replace(data, probabilities=p.astype(np.float32))
    expected = best_global(spread)
    np.testing.assert_array_equal(best_global(spread, few=0, chunk=5), expected)


def test_the_band_of_many_scores_is_narrow() -> None:
    data = larger(n=20_000)
    expected = best_global(data)
    scores = data.probabilities.ravel()
    band = find_band(scores, data.targets.ravel(), few=0)
    assert ((scores >= band.low) & (scores < band.high)).mean() < 0.2
    assert band.low < expected[0] < band.high
    np.testing.assert_array_equal(best_global(data, few=0), expected)
