"""A run with its label sets on held-out folds, which comparisons judge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmfeat.config import ThresholdSettings
from mmfeat.decide.decision import Decision
from mmfeat.decide.tune import tune
from mmfeat.errors import RunError
from mmfeat.runs.config import RunConfig
from mmfeat.runs.run import Run
from mmfeat.types import IntArray, OutOfFold, Targets


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A run with its decision for one objective, and the label sets behind `nested`, (n, k)."""

    name: str
    config: RunConfig
    metrics: dict[str, Any]
    decision: Decision
    held_out: Targets
    folds: IntArray

    @property
    def way(self) -> tuple[int, int]:
        """The division into folds: runs of one table with equal values have the same folds."""
        return self.config.folds, self.config.seed

    def worth(self, how: str) -> float:
        """The objective ``at_0.5``, ``tuned`` or ``nested``."""
        value = self.decision.oof[how][self.decision.objective.replace("-", "_")]
        assert value is not None, "the objective of a decision has a value"
        return value


def judge(run: Run, aim: ThresholdSettings, first: OutOfFold) -> Judged:
    """Decide a run for an objective, with its beta or floor, without changing it.

    Raises `RunError` where its rows, labels or targets are not those of `first`.
    """
    scores = run.oof
    same = scores.ids == first.ids and scores.labels == first.labels
    if not same or not np.array_equal(scores.targets, first.targets):
        raise RunError(
            "compared runs must have the same rows, labels and targets",
            f"{run.name} differs from the first of them",
            "compare runs of the same table",
        )
    decision = kept_decision(run, aim) or tune_for(scores, aim)
    assert decision.held_out is not None, "tune gives them"
    return Judged(
        name=run.name,
        config=run.config,
        metrics=run.metrics,
        decision=decision,
        held_out=decision.held_out,
        folds=scores.folds,
    )


def tune_for(scores: OutOfFold, aim: ThresholdSettings) -> Decision:
    """Tune as comparisons do: by the method that serves the objective best."""
    return tune(scores, objective=aim.objective, beta=aim.beta, floor=aim.floor)


def kept_decision(run: Run, aim: ThresholdSettings) -> Decision | None:
    """The decision that a run keeps for an objective, if any, as comparisons make it.

    One with another beta or floor is worth something else, and is not compared.
    """
    found = run.decisions.read(aim.objective)
    if found is None:
        return None
    if any(found.options.get(name) != value for name, value in aim.options().items()):
        return None
    held_out = run.decisions.held_out(aim.objective)
    return None if held_out is None else replace(found, held_out=held_out)
