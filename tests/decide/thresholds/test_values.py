"""Sums over resamples, which skip zeros where there are many."""

from __future__ import annotations

import numpy as np

from mmfeat.decide.thresholds.values import Tally


def test_sums_that_skip_zeros_equal_dense_ones() -> None:
    rng = np.random.default_rng(0)
    sets, truth = ((rng.random((200, 30)) < 0.03).astype(np.uint8) for _ in range(2))
    weights = rng.poisson(1, (50, 200)).astype(np.uint8)

    dense = Tally(predicted=sets, truth=truth, weights=weights)
    expected = dense.hits, dense.chosen, dense.support
    sparse = Tally(predicted=sets, truth=truth, weights=weights, many_products=0)
    for found, wanted in zip((sparse.hits, sparse.chosen, sparse.support), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(expected[1], weights.astype(np.int64) @ sets)
