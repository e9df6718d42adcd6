"""Choosing thresholds for an objective by one of its methods."""

from __future__ import annotations

import numpy as np

from mmfeat.core.plugins import check_name, resolve
from mmfeat.decide.thresholds import HALF, METHODS, OBJECTIVES, Thresholds, TuningData
from mmfeat.decide.thresholds.cuts import above
from mmfeat.decide.thresholds.evaluate import value_of
from mmfeat.errors import ConfigError, did_you_mean

ROUNDING = 1e-12  # by which a mean over the rows may depend on their order


def method_of(objective: str, method: str | None) -> str:
    """The method to use: `method`, or the objective's default.

    Raises `PluginError` for an unknown objective and `ConfigError` for a method that does not
    serve it.
    """
    methods = OBJECTIVES[check_name(objective, OBJECTIVES, "objective")].methods
    if method is None:
        return methods[0]
    if method not in methods:
        raise ConfigError(
            f"the methods for the objective {objective} are {', '.join(methods)}",
            f"--method is {method!r}",
            did_you_mean(method, methods, "choose one of them, or omit --method"),
        )
    return method


def choose_thresholds(data: TuningData, *, objective: str, method: str | None = None) -> Thresholds:
    """Choose a threshold in (0, 1] or just above for each class, of shape (k,).

    A label is predicted where its probability is at least its threshold. On the rows of `data`
    the result is never worse for the objective than 0.5 for every class. The threshold of a class
    without positives lies above all its scores, unless the method is `fixed`: whatever the other
    classes share, nothing speaks for predicting it. Without a single positive all are 0.5. Raises
    `PluginError` or `ConfigError` for an unknown name.
    """
    name = method_of(objective, method)
    highest, data = data.probabilities.max(axis=0), data.of_known
    half, has_positives = fixed(data), data.support > 0
    if name == "fixed" or not has_positives.any():
        return half
    chosen: Thresholds = np.array([above(score) for score in highest])
    # what a method takes from a class without positives would count against the others
    chosen[has_positives] = resolve(name, METHODS, "method")(data.classes(has_positives))
    loss = value_of(objective, data, data.predict(half)) - value_of(
        objective, data, data.predict(chosen)
    )
    return half if loss > ROUNDING else chosen


def fixed(data: TuningData) -> Thresholds:
    """0.5 for every class."""
    return np.full(data.n_labels, HALF)
