"""The law is found in points that lie on it, and stays within its bounds elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from mmfeat.learning.power_law import EXPONENTS, SPREAD, fit_power_laws

SIZES = np.geomspace(100, 1600, 6)
ERRORS = np.full(6, 1e-4)


@pytest.mark.parametrize("place", [10, 25])
def test_points_on_a_law(place: int) -> None:
    c = EXPONENTS[place]
    values = 0.8 - 0.1 * (SIZES / 1600) ** -c
    laws = fit_power_laws(SIZES, values[None], ERRORS, usual=np.log([0.5]))
    assert laws.c[0] == c
    further = np.array([3200.0, 6400.0])
    assert np.allclose(laws.at(further)[0], 0.8 - 0.1 * (further / 1600) ** -c)


def test_bounds_hold() -> None:
    values = np.stack([np.linspace(0.9, 0.5, 6), np.linspace(0.1, 0.99, 6), np.full(6, 0.3)])
    laws = fit_power_laws(SIZES, values, ERRORS, usual=np.zeros(3))
    assert (laws.b >= 0).all() and (laws.a <= 1).all()
    assert laws.b[0] == 0 and np.isclose(laws.a[0], 0.7) and np.isclose(laws.a[2], 0.3)


def test_the_prior_decides_where_points_say_nothing() -> None:
    values = np.tile(np.linspace(0.5, 0.6, 6), (2, 1))
    usual = np.log([0.2, 1.0])
    laws = fit_power_laws(SIZES, values, np.full(6, 10.0), usual=usual)
    assert (abs(np.log(laws.c) - usual) < SPREAD / 5).all()
