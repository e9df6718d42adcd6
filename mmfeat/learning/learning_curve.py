"""The verb `learning_curve`: what a run reaches with fewer rows, and would reach with more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from mmfeat.core.checks import check_arguments
from mmfeat.core.settings import override
from mmfeat.core.workspace import open_project
from mmfeat.errors import ConfigError
from mmfeat.fit.fit import fit
from mmfeat.fit.options import FitOptions
from mmfeat.learning.curve import LearningCurve
from mmfeat.learning.kept import load_learning_curve
from mmfeat.runs.listing import find_run
from mmfeat.runs.run import Run

FEWEST_POINTS, MOST_POINTS = 4, 20


@check_arguments
def learning_curve(
    run: Run | str | None = None,
    *,
    points: int = 6,
    objective: str | None = None,
    split: str | None = None,
    features: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    workspace: Path | str | None = None,
    **options: Unpack[FitOptions],
) -> LearningCurve:
    """Fit the head of a run on ever smaller samples of its rows, and follow the curve.

    Samples are of whole groups and have each class with its share. Thresholds are chosen on other
    folds, as `nested` does, and the last point is the run's own.

    Parameters
    ----------
    run
        A run or its name; None: that of `options`, which is fitted if it is not finished, or
        without `options` the best of the last comparison, or the newest.
    points
        Sizes on the curve, the last of which is all rows, from 4 to 20.
    objective
        What is estimated; None: that of the run's decision, or of the settings.
    split, features, settings, options
        As in `mmfeat.fit`, in place of a run.

    Raises
    ------
    MmfeatError
        `ConfigError` and `PluginError` for what was asked, `RunError` for the run, `FitError`
        where there are too few rows or groups, or where the run is an ensemble.
    """
    if not FEWEST_POINTS <= points <= MOST_POINTS:
        raise ConfigError(
            f"a learning curve has from {FEWEST_POINTS} to {MOST_POINTS} points",
            f"--points is {points}",
            "choose another number",
        )
    project, space = open_project(workspace)
    is_new = bool(
        split or features or settings or any(value is not None for value in options.values())
    )
    if is_new and run is not None:
        raise ConfigError(
            "a learning curve is of a run or of a head",
            "both are given",
            "leave out the name of the run, or the options of the fit",
        )
    if is_new:
        found = fit(split, features=features, settings=settings, workspace=workspace, **options)
    else:
        found = find_run(space, run, objective=objective)
    if objective is None and found.has_thresholds:
        objective = found.decision.objective
    aim = override(project.thresholds, objective=objective)
    return load_learning_curve(space, found, aim, points)
