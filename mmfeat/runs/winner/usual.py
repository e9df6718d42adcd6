"""Whether rows get far more or fewer labels from a run than they usually have."""

from __future__ import annotations

from mmfeat.decide.decision import Decision
from mmfeat.decide.notes import far_from
from mmfeat.runs.run import Run


def far_from_usual(run: Run, decision: Decision) -> str:
    """Say that held-out rows get far more or fewer labels than they have; nothing else.

    `decision` is one of the run. Empty where none was tuned, or the run is a bundle that does not
    know how many they have.
    """
    mean, usual = decision.oof.get("nested", {}).get("predicted_per_row"), run.labels_per_row
    if mean is None or usual is None:
        return ""
    where = run.config.validation or run.config.split
    return far_from(mean, usual, where=where, objective=decision.objective)
