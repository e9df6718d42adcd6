"""Whether rows get far more or fewer labels from a run than they usually have."""

from __future__ import annotations

from mmfeat.decide.decision import Decision
from mmfeat.decide.notes import far_from
from mmfeat.runs.run import Run


def far_from_usual(run: Run, decision: Decision, mean: float | None = None) -> str:
    """Say that `mean` labels per row are far from those of the run's own rows; nothing else.

    None: as many as its held-out rows get by `decision`.
    """
    if mean is None:
        mean = decision.oof.get("nested", {}).get("predicted_per_row")
    usual = run.labels_per_row
    if mean is None or usual is None:
        return ""
    where = run.config.validation or run.config.split
    return far_from(mean, usual, where=where, objective=decision.objective)
