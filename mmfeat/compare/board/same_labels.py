"""The best answer that looks at no row: what the same labels for every row would reach.

A mean over classes is highest with all labels. For F1 of rows, or of all cells pooled, it is the
most frequent labels; how many is chosen on the other folds, as thresholds are for `nested`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.thresholds.evaluate import value_of
from mmfeat.metrics.known import judged_rows, known_only, rates
from mmfeat.metrics.sets import ratio
from mmfeat.types import IntArray, Targets

ALL_LABELS = ("macro-f1", "f-beta")
MOST_FREQUENT = ("micro-f1", "samples-f1")


@dataclass(frozen=True, kw_only=True)
class SameLabels:
    """What the same labels for every row would reach, and whether the best entry is above it.

    `is_beaten` says whether the whole 95 % interval of what the best entry is expected to reach
    lies above `value`.
    """

    value: float
    is_beaten: bool

    def describe(self, objective: str) -> str:
        """A sentence about it."""
        if self.is_beaten:
            return f"the same labels for every row would reach {objective} {self.value:.4f}"
        return (
            "no entry is measurably better than the same labels for every row"
            f" ({objective} {self.value:.4f})"
        )


def judge_same_labels(
    objective: str, data: TuningData, folds: Iterable[IntArray], *, low: float
) -> SameLabels | None:
    """Judge the same labels for every row, the mean over `folds`, each of shape (n,).

    `low` is the lower end of the interval of what the best entry is expected to reach. None for an
    objective with a floor, which is met or not.
    """
    if objective in ALL_LABELS:
        value = value_of(objective, data, np.ones_like(data.targets))
    elif objective in MOST_FREQUENT:
        chosen = [_choose_elsewhere(objective, data.targets, number) for number in folds]
        value = float(np.mean([value_of(objective, data, sets) for sets in chosen]))
    else:
        return None
    return SameLabels(value=value, is_beaten=low > value)


def _choose_elsewhere(objective: str, targets: Targets, folds: IntArray) -> Targets:
    """The label sets (n, k): each fold has the labels that are best on the others."""
    sets = np.zeros_like(targets)
    for fold in np.unique(folds):
        others = targets[folds != fold]
        order = np.argsort(-rates(others), kind="stable")
        best = order[: _best_size(objective, others[:, order])]
        sets[np.ix_(folds == fold, best)] = 1
    return sets


def _best_size(objective: str, targets: Targets) -> int:
    """How many of the first classes of `targets`, (n, k), every row should have."""
    rows = judged_rows(targets) if objective == "samples-f1" else None
    judged = targets if rows is None else targets[rows]
    known, truth = known_only(np.ones_like(judged), judged)
    support = truth.sum(axis=1, dtype=np.float64)
    hits, chosen, values = np.zeros_like(support), np.zeros_like(support), []
    for right, given in zip(truth.T.copy(), known.T.copy(), strict=True):
        hits += right
        chosen += given
        if objective == "samples-f1":
            values.append(ratio(2 * hits, chosen + support, 0.0).mean())
        else:
            values.append(ratio(2 * hits.sum(), (chosen + support).sum(), 0.0))
    return int(np.argmax(values)) + 1
