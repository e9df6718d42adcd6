"""Thresholds for an objective: what can be maximised, and by which methods.

A method is one function `(TuningData) -> thresholds of shape (k,)` and one line of `METHODS`; an
objective names the methods that serve it, its default first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmfeat.core.plugins import Plugin, check_name, resolve
from mmfeat.decide.thresholds.cuts import HALF, Thresholds
from mmfeat.decide.thresholds.tuning_data import TuningData
from mmfeat.decide.thresholds.values import tally
from mmfeat.errors import ConfigError
from mmfeat.metrics.sets import ratio
from mmfeat.types import BoolArray, Float64Array, Targets

__all__ = [
    "HALF",
    "METHODS",
    "OBJECTIVES",
    "SAMPLED",
    "Thresholds",
    "TuningData",
    "choose_thresholds",
    "method_of",
    "unmet",
    "value_of",
    "values_of",
]


ROUNDING = 1e-12  # by which a mean over the rows may depend on their order


@dataclass(frozen=True)
class Objective:
    """What thresholds aim at: its value, and the methods for it, the default first.

    Where no method is asked for, one of `instead` is taken if it is better than the default on
    held-out folds. `decodes` are how label sets can be decided, the preferred one first.
    """

    value: Plugin
    methods: tuple[str, ...]
    instead: tuple[str, ...] = ()
    decodes: tuple[str, ...] = ("thresholds",)

    @property
    def summary(self) -> str:
        """One line about it."""
        return self.value.summary


_VALUES = "mmfeat.decide.thresholds.values"
_SEPARABLE = "mmfeat.decide.thresholds.separable"
_POOLED = "mmfeat.decide.thresholds.pooled"

OBJECTIVES: dict[str, Objective] = {
    "macro-f1": Objective(
        Plugin(f"{_VALUES}:macro_f_beta", "mean of the classes' F1"),
        ("bootstrap", "exact", "smoothed", "micromacro", "fixed"),
    ),
    "micro-f1": Objective(
        Plugin(f"{_VALUES}:micro_f1", "F1 of all cells of the table pooled"),
        ("global", "dinkelbach", "fixed"),
        instead=("dinkelbach",),  # scores of some classes may be far from calibrated
    ),
    "samples-f1": Objective(
        Plugin(f"{_VALUES}:samples_f1", "mean of the rows' F1"),
        ("coordinate", "fixed"),
        decodes=("expected-f1", "thresholds"),
    ),
    "f-beta": Objective(
        Plugin(f"{_VALUES}:macro_f_beta", "mean of the classes' F-beta, see --beta"),
        ("bootstrap", "exact", "smoothed", "fixed"),
    ),
    "precision-at-least": Objective(
        Plugin(f"{_VALUES}:precision_met", "each class's precision reaches --floor"),
        ("most-recall",),
    ),
    "recall-at-least": Objective(
        Plugin(f"{_VALUES}:recall_met", "each class's recall reaches --floor"),
        ("most-precise",),
    ),
}

METHODS: dict[str, Plugin] = {
    "bootstrap": Plugin(f"{_SEPARABLE}:bootstrap", "median over resamples of the best cut"),
    "exact": Plugin(f"{_SEPARABLE}:exact", "the best of all cuts, class by class"),
    "smoothed": Plugin(f"{_SEPARABLE}:smoothed", "the best cut of a smoothed F"),
    "micromacro": Plugin(f"{_SEPARABLE}:micromacro", "micro- and macro-F1 together"),
    "global": Plugin(f"{_POOLED}:best_global", "one threshold for all classes"),
    "dinkelbach": Plugin(f"{_POOLED}:dinkelbach", "the best micro-F1 of any thresholds"),
    "coordinate": Plugin(
        "mmfeat.decide.thresholds.samples:coordinate", "class after class, in turns"
    ),
    "most-recall": Plugin(f"{_SEPARABLE}:precision_at_least", "most recall above the floor"),
    "most-precise": Plugin(f"{_SEPARABLE}:recall_at_least", "most precision above the floor"),
    "fixed": Plugin("mmfeat.decide.thresholds:fixed", "0.5 for every class"),
}


SAMPLED = ("coordinate",)  # methods that look at some of very many rows


def method_of(objective: str, method: str | None) -> str:
    """The method to use: `method`, or the objective's default; raise an error if none fits."""
    methods = OBJECTIVES[check_name(objective, OBJECTIVES, "objective")].methods
    if method is None:
        return methods[0]
    if method not in methods:
        raise ConfigError(
            f"the objective {objective} takes the methods {', '.join(methods)}",
            f"--method is {method!r}",
            "choose one of them or leave it out",
        )
    return method


def choose_thresholds(
    problem: TuningData, *, objective: str, method: str | None = None
) -> Thresholds:
    """Choose a threshold in (0, 1] or just above for each class, of shape (k,).

    A label is predicted where its probability is at least its threshold. The result is never
    worse for the objective, on the rows of `problem`, than 0.5 for every class. Without a
    single positive it is 0.5. Raises `PluginError` or `ConfigError` for an unknown name.
    """
    name = method_of(objective, method)
    half = fixed(problem)
    if not problem.support.any():
        return half
    chosen: Thresholds = resolve(name, METHODS, "method")(problem)
    loss = value_of(objective, problem, problem.predict(half)) - value_of(
        objective, problem, problem.predict(chosen)
    )
    return half if loss > ROUNDING else chosen


def value_of(objective: str, problem: TuningData, predicted: Targets) -> float:
    """What `predicted` of shape (n, k) is worth by `objective` on the rows of `problem`."""
    return float(values_of(objective, problem, predicted)[0])


def values_of(
    objective: str,
    problem: TuningData,
    predicted: Targets,
    weights: NDArray[np.number] | None = None,
) -> Float64Array:
    """The same for each line of `weights` of shape (r, n), which counts the rows; of shape (r,)."""
    registry = {name: entry.value for name, entry in OBJECTIVES.items()}
    values: Float64Array = resolve(objective, registry, "objective")(
        problem, tally(problem, predicted, weights)
    )
    return values


def unmet(objective: str, problem: TuningData, predicted: Targets) -> BoolArray:
    """The classes with positives that `predicted` leaves below the floor, of shape (k,)."""
    counted = tally(problem, predicted)
    reached = {
        "precision-at-least": ratio(counted.hits[0], counted.chosen[0], 0.0),
        "recall-at-least": ratio(counted.hits[0], counted.support[0], 0.0),
    }.get(objective)
    if reached is None:
        return np.zeros(problem.n_labels, dtype=bool)
    below: BoolArray = (reached < problem.floor) & (problem.support > 0)
    return below


def fixed(problem: TuningData) -> Thresholds:
    """0.5 for every class."""
    return np.full(problem.n_labels, HALF)
