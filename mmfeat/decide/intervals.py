"""How sure the numbers of a decision are: intervals, the spread of thresholds, per class."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfeat.core.parallel import thread_map
from mmfeat.decide.decision import Decision
from mmfeat.decide.thresholds import TuningData, choose_thresholds, values_of
from mmfeat.decide.thresholds.separable import drawn
from mmfeat.metrics.sets import class_scores
from mmfeat.types import Targets

N_RESAMPLES = 200  # for intervals
N_REFITS = 20  # for the spread of thresholds that depend on one another
MOST_REFITTED = 2**25  # cells of the table up to which these are chosen so many times
SEPARABLE = ("macro-f1", "f-beta")  # each class's draws are enough
TAILS = (0.025, 0.975)
WIDTH = (0.05, 0.95)  # of the spread: the central 90 %


class Resamples:
    """Resamples of the rows, in each of which a row counts Poisson(1) times; drawn when asked for.

    All predictions are judged on the same ones.
    """

    def __init__(self, problem: TuningData) -> None:
        self.problem = problem

    @cached_property
    def weights(self) -> NDArray[np.uint8]:
        """How often each row counts, of shape (N_RESAMPLES, n): 200 times the rows, in bytes."""
        rng = np.random.default_rng(self.problem.seed)
        weights = np.empty((N_RESAMPLES, len(self.problem.targets)), dtype=np.uint8)
        for line in weights:  # one at a time, which stay small
            line[:] = rng.poisson(1.0, len(line))
        return weights

    def intervals(self, objective: str, predicted: dict[str, Targets]) -> dict[str, list[float]]:
        """95 % bootstrap intervals of the objective for each prediction, and of the `gain`.

        Each prediction is of shape (n, k); the gain is `nested` minus `at_0.5`.
        """
        values = {
            name: values_of(objective, self.problem, sets, self.weights)
            for name, sets in predicted.items()
        }
        values["gain"] = values["nested"] - values["at_0.5"]
        return {name: np.quantile(each, TAILS).tolist() for name, each in values.items()}


def spread(problem: TuningData, objective: str, method: str) -> list[float | None]:
    """Width of the central 90 % of each class's threshold over resamples of the rows.

    None for a class that shares its threshold. Objectives that separate by class resample each
    class's best cut; the others choose all thresholds anew, fewer times, see `can_spread`.
    """
    own = ~problem.rare & can_spread(problem, objective)
    if method == "fixed" or not own.any():
        return [0.0 if method == "fixed" else None] * problem.n_labels
    if objective in SEPARABLE:
        classes = np.flatnonzero(own).tolist()
        best = thread_map(lambda j: drawn(problem, j), classes)
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


def can_spread(problem: TuningData, objective: str) -> bool:
    """Whether the spread is found in seconds; choosing all anew takes minutes for large tables."""
    return objective in SEPARABLE or problem.targets.size <= MOST_REFITTED


def per_class(
    decision: Decision,
    problem: TuningData,
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
