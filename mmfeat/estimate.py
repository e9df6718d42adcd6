"""How sure the numbers of a decision are: intervals, the spread of thresholds, per class."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmfeat.classes import map_classes
from mmfeat.decision import Decision
from mmfeat.metrics.sets import class_scores
from mmfeat.thresholds import Problem, choose_thresholds, values_of
from mmfeat.thresholds.separable import drawn
from mmfeat.types import Targets

N_RESAMPLES = 200  # for intervals
N_REFITS = 20  # for the spread of thresholds that depend on one another
TAILS = (0.025, 0.975)
WIDTH = (0.05, 0.95)  # of the spread: the central 90 %


def intervals(
    objective: str, problem: Problem, predicted: dict[str, Targets]
) -> dict[str, list[float]]:
    """95 % bootstrap intervals of the objective for each prediction, and of the `gain`.

    Each prediction is of shape (n, k). All are judged on the same resamples, in which a row
    counts Poisson(1) times; the gain is `nested` minus `at_0.5`.
    """
    rng = np.random.default_rng(problem.seed)
    # drawn one resample at a time and kept as small numbers: 200 times the rows, in bytes
    weights = np.empty((N_RESAMPLES, len(problem.targets)), dtype=np.uint8)
    for line in weights:
        line[:] = rng.poisson(1.0, len(line))
    values = {
        name: values_of(objective, problem, sets, weights) for name, sets in predicted.items()
    }
    values["gain"] = values["nested"] - values["at_0.5"]
    return {name: np.quantile(each, TAILS).tolist() for name, each in values.items()}


def spread(problem: Problem, objective: str, method: str) -> list[float | None]:
    """Width of the central 90 % of each class's threshold over resamples of the rows.

    None for a class that shares its threshold. Objectives that separate by class resample each
    class's best cut; the others choose all thresholds anew, fewer times.
    """
    own = ~problem.rare
    if method == "fixed" or not own.any():
        return [0.0 if method == "fixed" else None] * problem.n_labels
    if objective in ("macro-f1", "f-beta"):
        classes = np.flatnonzero(own).tolist()
        best = map_classes(lambda j: drawn(problem, j), classes)
        chosen = dict(zip(classes, best, strict=True))
    else:
        rng = np.random.default_rng(problem.seed)
        n_rows = len(problem.targets)
        refits = np.array(
            [
                choose_thresholds(
                    problem.rows(np.sort(rng.integers(0, n_rows, n_rows))),
                    objective=objective,
                    method=method,
                )
                for _ in range(N_REFITS)
            ]
        )
        chosen = {j: refits[:, j] for j in range(problem.n_labels)}
    return [
        float(np.subtract(*np.quantile(chosen[j], WIDTH[::-1]))) if own[j] else None
        for j in range(problem.n_labels)
    ]


def per_class(
    decision: Decision,
    problem: Problem,
    predicted: dict[str, Targets],
    spreads: list[float | None],
) -> tuple[dict[str, Any], ...]:
    """Label, support, threshold, its spread, and F1 of each prediction; None without positives."""
    f1 = {name: class_scores(sets, problem.targets).f1 for name, sets in predicted.items()}
    return tuple(
        {
            "label": label,
            "support": int(problem.support[j]),
            "threshold": decision.thresholds[j],
            **{
                f"f1_{name}": None if np.isnan(values[j]) else float(values[j])
                for name, values in f1.items()
            },
            "spread": spreads[j],
        }
        for j, label in enumerate(decision.labels)
    )
