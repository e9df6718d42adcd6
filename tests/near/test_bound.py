"""The bound lies outside what unrelated rows reach, and below what copies have."""

from __future__ import annotations

import numpy as np
import pytest

from mmfeat.near.bound import near_bound
from mmfeat.near.rows import unit
from tests.support.made_up.near import nearly, vectors


def highest(rows: np.ndarray) -> float:
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -1)
    return float(cosines.max())


@pytest.mark.parametrize("mean", [0.0, 2.0, 10.0])
@pytest.mark.parametrize("n_rows", [150, 2000])
def test_unrelated_rows_stay_below_and_copies_above(n_rows: int, mean: float) -> None:
    rows = vectors(n_rows, mean=mean)
    units, copies = unit([rows]), unit([nearly(rows)])
    bound = near_bound(units, n_rows * (n_rows - 1) / 2)
    assert highest(units) < bound
    assert (np.einsum("ij,ij->i", units, copies) > bound).mean() > 0.99


def test_copies_in_the_sample_do_not_hide_one_another() -> None:
    rows = vectors(1000)
    units = unit([np.concatenate([rows, nearly(rows[:300])])])
    bound = near_bound(units, 1300 * 1299 / 2)
    assert (np.einsum("ij,ij->i", units[:300], units[1000:]) > bound).mean() > 0.95


def test_classes_are_no_near_copies() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 64))[rng.integers(0, 40, 1500)] + 0.5 * rng.normal(size=(1500, 64))
    units = unit([rows.astype(np.float16)])
    assert near_bound(units, 1500 * 1499 / 2) > highest(units) > 0.85


@pytest.mark.parametrize(("template", "frames"), [(True, False), (False, True)])
def test_wordings_of_a_template_are_no_copies_and_frames_of_films_are(
    template: bool, frames: bool
) -> None:
    rng = np.random.default_rng(0)
    if template:  # of one thing in five, told in a few words; the other captions tell more
        spread = np.exp(rng.uniform(-7, 0, 1200))[:, None]
        rows = np.where(rng.random((1200, 1)) < 0.2, spread, 1) * vectors(1200, mean=0)
        rows[:, 0] += np.float16(3) * (1 - spread[:, 0])
    else:
        rows = nearly(np.repeat(vectors(40), 30, axis=0))
    units = unit([rows.astype(np.float16)])
    cosines = (units @ units.T)[np.triu_indices(len(units), 1)]
    bound = near_bound(units, len(cosines))
    assert ((cosines > bound).sum() > 40 * 30 * 29 / 2 * 0.9) == frames
    assert ((cosines > bound).sum() == 0) == template


def test_few_rows_have_copies_up_to_rounding_alone() -> None:
    rows = vectors(12).astype(np.float32)
    bound = near_bound(unit([rows]), 66)
    rounded = unit([rows.astype(np.float16) * np.float16(3)])
    assert (np.einsum("ij,ij->i", unit([rows]), rounded) > bound).all()
    assert highest(unit([rows])) < bound < 1
    assert near_bound(unit([rows[:1]]), 0) < 1
    assert near_bound(np.tile(unit([rows[:1]]), (200, 1)), 100) < 1
