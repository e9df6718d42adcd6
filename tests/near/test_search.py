"""The search finds the pairs that a full product finds."""

from __future__ import annotations

import numpy as np
import pytest

from mmfeat.near.projection import Projection, choose_projection
from mmfeat.near.rows import UnitRows
from mmfeat.near.search import Pairs, find_pairs, spanning
from tests.support.made_up.near import all_of, features_of, nearly, rows_of, vectors


@pytest.mark.parametrize("bound", [0.8, 0.97, 0.999])
@pytest.mark.parametrize("mean", [0.0, 2.0])
def test_within_a_split(bound: float, mean: float) -> None:
    first = vectors(300, mean=mean)
    rows = rows_of(first, nearly(first[:40]), nearly(first[:9], noise=0.2, seed=3))
    units = all_of(rows)
    found = find_pairs(rows, None, choose_projection(units, bound), bound, block_rows=100)
    expected = np.argwhere(np.triu(units @ units.T, 1) >= bound)
    assert set(map(tuple, found.rows.tolist())) == set(map(tuple, expected.tolist()))
    assert (found.cosines >= bound).all() and (found.cosines < 1).all()


def test_between_splits() -> None:
    first = vectors(250)
    left = rows_of(vectors(130, seed=5), nearly(first[20:30]))
    projection = choose_projection(all_of(left), 0.99)
    found = find_pairs(left, rows_of(first), projection, 0.99, block_rows=100)
    assert found.best_first().rows.tolist() != [] and len(found) == 10
    assert sorted(found.rows.tolist()) == [[130 + at, 20 + at] for at in range(10)]


def test_only_the_rows_that_are_kept_are_looked_at() -> None:
    first = vectors(200)
    rows = rows_of(first, first[:3], kept=np.arange(1, 203))
    found = find_pairs(rows, None, choose_projection(all_of(rows), 0.99), 0.99)
    assert rows.kept[found.rows].tolist() == [[1, 201], [2, 202]]


def test_many_pairs_are_kept_as_a_forest() -> None:
    one = vectors(150)
    rows = rows_of(one, *(nearly(one[:2], seed=seed) for seed in range(40)))
    projection = choose_projection(all_of(rows), 0.98)
    found = find_pairs(rows, None, projection, 0.98, most_pairs=50, block_rows=64)
    assert len(found) == 80  # two trees of 41 rows


def test_a_forest_keeps_the_nearest() -> None:
    pairs = Pairs(np.array([[0, 1], [1, 2], [0, 2]]), np.array([0.9, 0.99, 0.95], np.float32))
    kept = spanning(pairs, 3).best_first()
    assert kept.rows.tolist() == [[1, 2], [0, 2]]
    np.testing.assert_allclose(kept.cosines, [0.99, 0.95])
    between = spanning(Pairs(np.array([[0, 0], [0, 1]]), np.ones(2, np.float32)), 1, 2)
    assert sorted(between.rows.tolist()) == [[0, 0], [0, 1]]


def test_a_projection_never_makes_a_cosine_smaller() -> None:
    units = all_of(rows_of(vectors(200)))
    for width in (1, 8, 64):
        basis = np.linalg.qr(np.random.default_rng(0).normal(size=(64, width)))[0]
        projected = Projection(basis.astype(np.float32)).project(units)
        assert ((projected @ projected.T) >= units @ units.T - 1e-6).all()


def test_feature_sets_count_alike() -> None:
    first, second = vectors(5), 100 * vectors(5, seed=3)
    features = features_of(image=first)
    both = UnitRows(
        features=type(features)(
            ids=features.ids, embeddings={"image": (first, second)}, targets=None, labels=()
        ),
        modality="image",
        kept=np.arange(5),
    )
    cosines = [all_of(rows_of(array)) for array in (first, second)]
    mean = sum(units @ units.T for units in cosines) / 2
    np.testing.assert_allclose(all_of(both) @ all_of(both).T, mean, atol=1e-5)
