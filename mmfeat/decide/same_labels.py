"""The best answer that looks at no row: what the same labels for every row would reach.

A mean over classes is highest with all labels. For F1 of rows, or of all cells pooled, it is the
most frequent labels; how many is chosen on the other folds, as thresholds are for `nested`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mmfeat.decide.decision import HALVES, Decision
from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.thresholds.evaluate import value_of
from mmfeat.metrics.known import judged_rows, known_only, rates
from mmfeat.metrics.sets import ratio
from mmfeat.types import IntArray, OutOfFold, Targets

ALL_LABELS = ("macro-f1", "f-beta")
MOST_FREQUENT = ("micro-f1", "samples-f1")


@dataclass(frozen=True, kw_only=True)
class SameLabels:
    """What the same labels for every row would reach, and whether what is judged is above it.

    `is_beaten` says whether the whole 95 % interval of what is judged lies above `value`.
    """

    value: float
    is_beaten: bool

    def describe(self, objective: str, *, judged: str = "no entry is") -> str:
        """A sentence about it; `judged` begins it where it is not beaten."""
        if self.is_beaten:
            return f"the same labels for every row would reach {objective} {self.value:.4f}"
        return (
            f"{judged} measurably better than the same labels for every row"
            f" ({objective} {self.value:.4f})"
        )


def same_labels_of(decision: Decision, scores: OutOfFold) -> SameLabels | None:
    """Hold the decision of a run, on its scores out of fold, against the same labels.

    None for an objective with a floor, and where nothing was tuned.
    """
    if decision.objective == HALVES:
        return None
    data = TuningData(
        probabilities=scores.probabilities,
        targets=scores.targets,
        beta=decision.options.get("beta", 1.0),
        groups=scores.groups,
    )
    return judge_same_labels(
        decision.objective, data, [scores.folds], low=decision.intervals["nested"][0]
    )


def judge_same_labels(
    objective: str, data: TuningData, folds: Iterable[IntArray], *, low: float
) -> SameLabels | None:
    """Judge the same labels for every row, the mean over `folds`, each of shape (n,).

    `low` is the lower end of the 95 % interval of what is judged. None for an objective with a
    floor, which is met or not.
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
