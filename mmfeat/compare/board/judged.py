"""A run with its label sets on held-out folds, which comparisons judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmfeat.compare.board.choice import Way
from mmfeat.config import ThresholdSettings
from mmfeat.decide.decision import Decision
from mmfeat.decide.tune import tune
from mmfeat.errors import RunError
from mmfeat.runs.config import RunConfig
from mmfeat.runs.run import Run
from mmfeat.types import IntArray, OutOfFold, Targets

# Told of runs of the same rows, where folds of several seeds are compared.
ROWS_ALONE = "their folds differ, so that rows are paired and folds are not"


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
        """The division into folds: `judge_all` sees to it that equal ones are the same folds."""
        return self.config.folds, self.config.seed

    def worth(self, how: str) -> float:
        """The objective ``at_0.5``, ``tuned`` or ``nested``."""
        value = self.decision.oof[how][self.decision.objective.replace("-", "_")]
        assert value is not None, "the objective of a decision has a value"
        return value


def judge_all(runs: Sequence[Run], aim: ThresholdSettings) -> list[Judged]:
    """Decide runs for an objective, with its beta or floor, without changing them.

    Raises `RunError` where they have other rows, labels or targets, where rows were held out in
    another way, and where runs of one seed have other folds.
    """
    first, judged = runs[0].oof, list[Judged]()
    for run in runs:
        scores = run.oof
        _check_same(run, scores, runs[0], first)
        alike = next((each for each in judged if each.config.seed == run.config.seed), None)
        if alike is not None and not np.array_equal(scores.folds, alike.folds):
            raise _other_folds(f"{run.name} and {alike.name} have the same seed and other folds")
        decision = kept_decision(run, aim) or tune_for(scores, aim)
        assert decision.held_out is not None, "tune gives them"
        judged.append(
            Judged(
                name=run.name,
                config=run.config,
                metrics=run.metrics,
                decision=decision,
                held_out=decision.held_out,
                folds=scores.folds,
            )
        )
    return judged


def are_same(folds: Mapping[Way, IntArray]) -> bool:
    """Whether all ways to divide the rows are equal: a table's own folds have no seed."""
    first = next(iter(folds.values()))
    return all(np.array_equal(each, first) for each in folds.values())


def _check_same(run: Run, scores: OutOfFold, first: Run, known: OutOfFold) -> None:
    """Raise `RunError` unless a run was judged on the rows of the first, in the same way."""
    same = scores.ids == known.ids and scores.labels == known.labels
    if not same or not np.array_equal(scores.targets, known.targets):
        raise RunError(
            "compared runs must have the same rows, labels and targets",
            f"{run.name} differs from the first of them",
            "compare runs of the same table",
        )
    if run.judged_by != first.judged_by:
        raise _other_folds(
            f"{run.name} is judged by {run.judged_by}, {first.name} by {first.judged_by}"
        )


def _other_folds(finding: str) -> RunError:
    return RunError(
        "compared runs must have held out their rows in the same way",
        finding,
        "fit all of them alike, or judge two on other rows: `mmfeat promote OLD NEW --table FILE`",
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
