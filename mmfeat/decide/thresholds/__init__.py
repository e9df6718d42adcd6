"""Thresholds for an objective: the registries of objectives and of methods.

A method is one function `(TuningData) -> thresholds of shape (k,)` and one line of `METHODS`. An
objective is one function that values label sets, and lists the methods that serve it, its default
first. `choose` applies a method; `evaluate` values label sets.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmfeat.core.plugins import Plugin
from mmfeat.decide.thresholds.cuts import HALF, Thresholds
from mmfeat.decide.thresholds.tuning_data import LIMITS, Limits, TuningData

__all__ = [
    "HALF",
    "LIMITS",
    "METHODS",
    "OBJECTIVES",
    "SAMPLED",
    "Limits",
    "Objective",
    "Thresholds",
    "TuningData",
]


@dataclass(frozen=True)
class Objective:
    """An objective and how it can be reached.

    Attributes
    ----------
    value
        The function that values label sets.
    methods
        The methods that serve it, the default first.
    instead
        Methods that replace the default if they are better on held-out folds and the user named
        no method.
    decodes
        The ways to decide label sets, the preferred one first.
    unless_loss
        Whether thresholds leave 0.5 unless held-out folds show a loss, not only for a gain.
    """

    value: Plugin
    methods: tuple[str, ...]
    instead: tuple[str, ...] = ()
    decodes: tuple[str, ...] = ("thresholds",)
    unless_loss: bool = False

    @property
    def summary(self) -> str:
        """A description of one line."""
        return self.value.summary


_VALUES = "mmfeat.decide.thresholds.values"
_SEPARABLE = "mmfeat.decide.thresholds.separable"
_POOLED = "mmfeat.decide.thresholds.pooled"

OBJECTIVES: dict[str, Objective] = {
    "macro-f1": Objective(
        Plugin(f"{_VALUES}:macro_f_beta", "F1 averaged over classes"),
        ("bootstrap", "exact", "smoothed", "micromacro", "fixed"),
        unless_loss=True,  # honest scores of rare classes hardly reach 0.5, and few rows judge them
    ),
    "micro-f1": Objective(
        Plugin(f"{_VALUES}:micro_f1", "F1 of all rows and classes pooled"),
        ("global", "dinkelbach", "fixed"),
        instead=("dinkelbach",),  # scores of some classes may be far from calibrated
    ),
    "samples-f1": Objective(
        Plugin(f"{_VALUES}:samples_f1", "F1 averaged over rows"),
        ("coordinate", "fixed"),
        decodes=("expected-f1", "thresholds"),
    ),
    "f-beta": Objective(
        Plugin(f"{_VALUES}:macro_f_beta", "F-beta averaged over classes; see --beta"),
        ("bootstrap", "exact", "smoothed", "fixed"),
        unless_loss=True,
    ),
    "precision-at-least": Objective(
        Plugin(f"{_VALUES}:precision_met", "precision of at least --floor for each class"),
        ("most-recall",),
    ),
    "recall-at-least": Objective(
        Plugin(f"{_VALUES}:recall_met", "recall of at least --floor for each class"),
        ("most-precise",),
    ),
}

METHODS: dict[str, Plugin] = {
    "bootstrap": Plugin(
        f"{_SEPARABLE}:bootstrap", "median of the best threshold over bootstrap samples"
    ),
    "exact": Plugin(f"{_SEPARABLE}:exact", "best threshold of each class"),
    "smoothed": Plugin(f"{_SEPARABLE}:smoothed", "best threshold of each class for a smoothed F"),
    "micromacro": Plugin(f"{_SEPARABLE}:micromacro", "micro-F1 and macro-F1 together"),
    "global": Plugin(f"{_POOLED}:best_global", "best single threshold for all classes"),
    "dinkelbach": Plugin(
        f"{_POOLED}:dinkelbach", "thresholds of highest micro-F1, by Dinkelbach's method"
    ),
    "coordinate": Plugin(
        "mmfeat.decide.thresholds.samples:coordinate", "coordinate ascent over the classes"
    ),
    "most-recall": Plugin(
        f"{_SEPARABLE}:precision_at_least", "highest recall with precision of at least --floor"
    ),
    "most-precise": Plugin(
        f"{_SEPARABLE}:recall_at_least", "highest precision with recall of at least --floor"
    ),
    "fixed": Plugin("mmfeat.decide.thresholds.choose:fixed", "0.5 for every class"),
}

SAMPLED = ("coordinate",)  # methods that use a sample of the rows of a large table
