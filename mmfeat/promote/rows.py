"""Labelled rows that two models decide, and what either of them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mmfeat.decide.decision import Decision
from mmfeat.decide.paired import Decided
from mmfeat.errors import RunError
from mmfeat.runs.bundle import Bundle
from mmfeat.runs.run import Run
from mmfeat.types import FloatArray, IntArray, Targets


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One of the two: a run or bundle, and the decision by which it is judged."""

    run: Run
    decision: Decision

    @classmethod
    def of(cls, run: Run, objective: str) -> Candidate:
        """Take its decision for an objective, or else the one in use."""
        has_one = objective in run.decisions.objectives
        return cls(run=run, decision=run.decision_for(objective if has_one else None))

    @property
    def kind(self) -> str:
        """``run`` or ``bundle``."""
        return "bundle" if isinstance(self.run, Bundle) else "run"


Models = tuple[Candidate, Candidate]  # the old and the new one


@dataclass(frozen=True, kw_only=True)
class JudgedRows:
    """Labelled rows as the old and the new model decide them.

    Attributes
    ----------
    source
        Where they come from, in words.
    ids, labels
        Names of the rows, and of the labels that both models know, in the order of the new one.
    targets
        Of shape (n, k), 0, 1 or `UNKNOWN`.
    probabilities
        Of the old and of the new model, (n, k) each.
    decided
        The same for their label sets.
    groups
        Of shape (n,): related rows have the same number; None: no row is related to another.
    left_out
        How many rows were left out, by what they share with rows that a model was fitted on.
    notes, doubts
        What is to be known about them, and why scores on them may be too good, a sentence each.
    """

    source: str
    ids: Sequence[str]
    labels: tuple[str, ...]
    targets: Targets
    probabilities: tuple[FloatArray, FloatArray]
    decided: tuple[Decided, Decided]
    groups: IntArray | None
    left_out: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    def take(self, rows: IntArray) -> JudgedRows:
        """Give some of the rows."""
        old, new = self.decided
        return replace(
            self,
            ids=[self.ids[row] for row in rows],
            targets=self.targets[rows],
            probabilities=(self.probabilities[0][rows], self.probabilities[1][rows]),
            decided=(
                Decided(sets=old.sets[rows], folds=old.folds[rows]),
                Decided(sets=new.sets[rows], folds=new.folds[rows]),
            ),
            groups=None if self.groups is None else self.groups[rows],
        )

    @property
    def n_unrelated(self) -> int:
        """The number of groups, or of rows where none are related."""
        return len(self.ids) if self.groups is None else len(np.unique(self.groups))


def shared_labels(models: Models) -> tuple[tuple[str, ...], tuple[IntArray, IntArray]]:
    """The labels that both know, and their places in either; raise `RunError` for none."""
    old, new = (model.run for model in models)
    places = {label: at for at, label in enumerate(old.labels)}
    shared = tuple(label for label in new.labels if label in places)
    if not shared:
        raise RunError(
            "two models are compared by the labels that both know",
            f"{old.name} and {new.name} share none",
            "name models of the same task",
        )
    in_new = [at for at, label in enumerate(new.labels) if label in places]
    return shared, (np.array([places[label] for label in shared]), np.array(in_new))
