"""The learning curve of a run is kept beside the folds, and read by `report`."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from mmfeat.config import ThresholdSettings
from mmfeat.core.plugins import check_name
from mmfeat.core.workspace import Workspace
from mmfeat.decide.thresholds import OBJECTIVES
from mmfeat.errors import FitError, RunError
from mmfeat.fit.held_out import shared_folds
from mmfeat.fit.models.model import MODELS, build_model
from mmfeat.fit.training_data import Stores, Training
from mmfeat.learning.curve import LearningCurve
from mmfeat.learning.fits import fit_samples, shares_of, trained_rows
from mmfeat.learning.measure import measure
from mmfeat.runs.folds import Folds
from mmfeat.runs.run import Run
from mmfeat.sensitivity.kept import kept


def load_learning_curve(
    workspace: Workspace, run: Run, aim: ThresholdSettings, n_points: int
) -> LearningCurve:
    """Read the learning curve of a finished run, or measure and keep it.

    Raises `PluginError` for an unknown objective, `FitError` for an ensemble and where rows are too
    few, `RunError` where the stores are not those that were fitted.
    """
    check_name(aim.objective, OBJECTIVES, "objective")

    def make() -> dict[str, Any]:
        training, folds = _data(workspace, run)
        groups, n_rows = training.features.groups, training.features.n_rows
        n_groups = n_rows if groups is None else len(np.unique(groups))
        shares = shares_of(trained_rows(folds), n_groups, n_points)
        fits = list(fit_samples(run, training, folds, workspace, shares))
        if training.judging is not None:
            n_rows -= int(training.judging.sum())
        return measure(run.name, fits, aim, n_rows=n_rows).to_json()

    document = kept(workspace.folds / f"{_name(run, aim)}-{n_points}.json", make)
    assert document is not None, "there is a curve or an error"
    return LearningCurve.from_json(document)


def find_learning_curve(
    workspace: Workspace, run: Run, aim: ThresholdSettings
) -> LearningCurve | None:
    """Read the newest learning curve of a run; None where there is none.

    Raises `RunError` for a damaged file.
    """
    paths = list(workspace.folds.glob(f"{_name(run, aim)}-*.json"))
    if not paths:
        return None
    document = kept(max(paths, key=lambda path: path.stat().st_mtime), lambda: None)
    return None if document is None else LearningCurve.from_json(document)


def _name(run: Run, aim: ThresholdSettings) -> str:
    asked = [run.name, vars(run.config), run.provenance["digest"], aim.objective, aim.options()]
    key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
    return f"learning-{key}"


def _data(workspace: Workspace, run: Run) -> tuple[Training, Folds]:
    """What the run was fitted on, and how its rows were held out."""
    config = run.config
    if config.head in MODELS:
        raise FitError(
            "a learning curve fits one head again on fewer rows",
            f"{run.name} is an {config.head} of runs",
            "name one of its runs",
        )
    training = Stores.of(config).load(workspace)
    is_same = build_model(config, workspace).digest(training.digest) == run.provenance["digest"]
    folds = shared_folds(workspace, config, training) if is_same else None
    if folds is None or not np.array_equal(folds.of_judged, run.oof.folds):
        raise RunError(
            "a learning curve needs the rows and folds that a run was fitted on",
            f"those of {config.split} have changed since {run.name} was fitted",
            "fit it again with `mmfeat fit`",
        )
    return training, folds
