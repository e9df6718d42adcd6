"""The nearest rows are found in stripes, and are those of a sort."""

from __future__ import annotations

import numpy as np
import pytest

from mmfeat.fit.heads.knn import KNN, STRIPES, least, unit


@pytest.mark.parametrize("n_columns", [70, 320, 3217, 5 * STRIPES])
@pytest.mark.parametrize("n", [1, 10, 50])
def test_the_least_values_are_found(n_columns: int, n: int) -> None:
    values = np.random.default_rng(0).normal(size=(9, n_columns)).astype(np.float32)
    values[3] = 0.0  # all are equal
    values[4] = np.repeat(np.arange(n_columns), 2)[:n_columns]
    places = least(values, n)
    assert places.shape == (9, n)
    assert all(len(set(row)) == n for row in places.tolist())
    found = np.sort(np.take_along_axis(values, places, axis=1), axis=1)
    np.testing.assert_array_equal(found, np.sort(values, axis=1)[:, :n])


def test_probabilities_are_those_of_the_formula() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 24)).astype(np.float32)
    y = (rng.random((4000, 3)) < 0.2).astype(np.uint8)
    queries = rng.normal(size=(700, 24)).astype(np.float32)
    found = KNN(neighbours=7).fit(x, y).predict_proba(queries)
    cosines = unit(queries) @ unit(x).astype(np.float16).astype(np.float32).T
    nearest = np.argsort(-cosines, axis=1)[:, :7]
    near = np.take_along_axis(cosines, nearest, axis=1)
    weights = np.exp(10 * (near - near.max(axis=1, keepdims=True)))
    votes = (weights[:, :, None] * y[nearest]).sum(axis=1) + y.mean(axis=0)
    expected = votes / (weights.sum(axis=1, keepdims=True) + 1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
