"""Sums over resamples, which skip zeros where there are many."""

from __future__ import annotations

import numpy as np
import pytest

from mmfeat.decide.thresholds import values


def test_sums_that_skip_zeros_equal_dense_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    sets, truth = ((rng.random((200, 30)) < 0.03).astype(np.uint8) for _ in range(2))
    weights = rng.poisson(1, (50, 200)).astype(np.uint8)

    def count() -> values.Tally:
        return values.Tally(predicted=sets, truth=truth, weights=weights)

    dense = count()
    expected = dense.hits, dense.chosen, dense.support
    monkeypatch.setattr(values, "MANY_PRODUCTS", 0)
    sparse = count()
    for found, wanted in zip((sparse.hits, sparse.chosen, sparse.support), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(expected[1], weights.astype(np.int64) @ sets)
