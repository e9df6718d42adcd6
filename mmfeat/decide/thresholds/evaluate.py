"""The value of label sets by an objective, and the classes below its floor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmfeat.core.plugins import resolve
from mmfeat.decide.thresholds import OBJECTIVES, TuningData
from mmfeat.decide.thresholds.values import tally
from mmfeat.metrics.sets import ratio
from mmfeat.types import BoolArray, Float64Array, Targets


def value_of(objective: str, data: TuningData, predicted: Targets) -> float:
    """The value of `predicted`, of shape (n, k), by `objective` on the rows of `data`."""
    return float(values_of(objective, data, predicted)[0])


def values_of(
    objective: str,
    data: TuningData,
    predicted: Targets,
    weights: NDArray[np.number] | None = None,
) -> Float64Array:
    """The value for each resample, of shape (r,).

    `weights` of shape (r, n) count the rows of each resample; None: one line, every row once.
    """
    registry = {name: entry.value for name, entry in OBJECTIVES.items()}
    values: Float64Array = resolve(objective, registry, "objective")(
        data, tally(data, predicted, weights)
    )
    return values


def unmet(objective: str, data: TuningData, predicted: Targets) -> BoolArray:
    """The classes with positives that `predicted` leaves below the floor, of shape (k,)."""
    counted = tally(data, predicted)
    reached = {
        "precision-at-least": ratio(counted.hits[0], counted.chosen[0], 0.0),
        "recall-at-least": ratio(counted.hits[0], counted.support[0], 0.0),
    }.get(objective)
    if reached is None:
        return np.zeros(data.n_labels, dtype=bool)
    below: BoolArray = (reached < data.floor) & (data.support > 0)
    return below
