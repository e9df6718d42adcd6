"""The power law a - b · n^-c through points of a learning curve, for many draws of them at once.

For a given c the law is linear in a and b, so that least squares under b ≥ 0 and a ≤ 1 has a
closed form. It is solved for a grid of c, as 500 draws of each class have to be fitted. A few
points hardly tell c: a prior holds it near 1/2, where estimates from n rows converge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmfeat.types import Float64Array

EXPONENTS: Float64Array = np.geomspace(0.05, 2.5, 40)
USUAL, SPREAD = float(np.log(0.5)), 0.5  # mean and standard deviation of log c beforehand


@dataclass(frozen=True)
class PowerLaws:
    """One law per draw: `a`, `b` and `c` of shape (m,), `b` at the size `unit`."""

    a: Float64Array
    b: Float64Array
    c: Float64Array
    unit: float

    def at(self, sizes: Float64Array) -> Float64Array:
        """The values (m, s) at sizes (s,)."""
        values: Float64Array = (
            self.a[:, None] - self.b[:, None] * (sizes / self.unit) ** -self.c[:, None]
        )
        return values


def fit_power_laws(
    sizes: Float64Array,
    values: Float64Array,
    errors: Float64Array,
    *,
    usual: Float64Array,
) -> PowerLaws:
    """Fit draws `values`, (m, p), at `sizes`, (p,), by least squares.

    `errors`, (p,), are the standard errors of the points. `usual`, (m,), is where the prior of
    log c is centred for each draw.
    """
    unit, weights = float(sizes.max()), 1 / np.square(errors)
    shapes = (sizes / unit) ** -EXPONENTS[:, None]  # (e, p)
    mean_shape = shapes @ weights / weights.sum()
    mean_value = values @ weights / weights.sum()
    around = shapes - mean_shape[:, None]
    b = -(values @ (weights * around).T) / (np.square(around) @ weights)  # (m, e)
    b = np.maximum(b, 0)
    a = mean_value[:, None] + b * mean_shape
    above = a > 1
    through_one = ((1 - values) @ (weights * shapes).T) / (np.square(shapes) @ weights)
    a, b = np.where(above, 1, a), np.where(above, np.maximum(through_one, 0), b)
    residuals = values[:, None, :] - a[..., None] + b[..., None] * shapes
    loss = np.square(residuals) @ weights
    loss += np.square((np.log(EXPONENTS) - usual[:, None]) / SPREAD)
    best = loss.argmin(axis=1)
    draws = np.arange(len(values))
    return PowerLaws(a[draws, best], b[draws, best], EXPONENTS[best], unit)
