"""Runs on the made-up embeddings of `import_split`."""

from __future__ import annotations

from typing import Any

from mmfeat.config import FitSettings
from mmfeat.core.workspace import Workspace
from mmfeat.fit.plan import plan_run
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import load_training
from mmfeat.runs.run import Run


def fit_split(
    space: Workspace,
    *,
    objective: str | None = None,
    settings: dict[str, str] | None = None,
    **options: Any,
) -> Run:
    """Fit the split train, by default with logreg in 3 folds, and tune for an objective."""
    chosen = FitSettings(**{"head": "logreg", "folds": 3, **options})
    config = plan_run(chosen, settings=settings or {}, workspace=space)
    run = fit_run(space, config, load_training(space, "train"))
    if objective is not None:
        run.tune(objective)
    return run
