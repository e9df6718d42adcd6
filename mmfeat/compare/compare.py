"""The verb `compare`: every sensible combination on the same folds, and the leaderboard."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from mmfeat.compare.board.keep import keep_leaderboard
from mmfeat.compare.board.leaderboard import Leaderboard
from mmfeat.compare.cells import Event
from mmfeat.compare.ensemble import fit_ensemble
from mmfeat.compare.plan import describe, plan_asked, report_skipped
from mmfeat.compare.quick.sketch import sketch
from mmfeat.compare.run import run_cells, seconds_of
from mmfeat.config import ThresholdSettings
from mmfeat.core.checks import check_arguments
from mmfeat.core.workspace import open_project
from mmfeat.errors import FitError
from mmfeat.fit.options import FoldOptions
from mmfeat.fit.related import warn_of_neighbours, warn_seen_before
from mmfeat.fit.training_data import Stores

log = logging.getLogger(__name__)

Report = Callable[[Event], None]


@check_arguments
def compare(
    split: str | None = None,
    *,
    heads: Sequence[str] | None = None,
    fusions: Sequence[str] | None = None,
    losses: Sequence[str] | None = None,
    seeds: int | None = None,
    features: Sequence[str] = (),
    objective: str | None = None,
    jobs: int | None = None,
    engine: str | None = None,
    ray_address: str | None = None,
    budget: str | None = None,
    quick: bool = False,
    ensemble: bool = False,
    workspace: Path | str | None = None,
    show: Callable[[int, str], AbstractContextManager[Report | None]] | None = None,
    **options: Unpack[FoldOptions],
) -> Leaderboard:
    """Fit every sensible combination, tune each, and write `leaderboard.csv`.

    Finished runs are reused, so the same call continues a comparison that was stopped. Runs of
    earlier comparisons of the same table, feature sets, folds and objective stay on the
    leaderboard.

    Parameters
    ----------
    split
        Name of the store.
    heads, fusions, losses, seeds, jobs, engine, ray_address, budget
        See `mmfeat.config.CompareSettings`, which has the defaults.
    features
        Feature sets to compare; each entry names one, or several that are joined, as ``"a,b"``;
        an empty entry, or none: the unnamed one. All must have the same rows.
    objective
        What the leaderboard is sorted by.
    quick
        Compare a sketch, see `mmfeat.compare.quick.sketch`: its runs and its leaderboard lie in
        `sketch/` of the workspace.
    ensemble
        Whether the comparison ends with a run that averages the others, see
        `mmfeat.compare.ensemble`.
    show
        Gives, for the number of cells and the objective, what hears of each cell.
    options
        `folds`, `seed`, `max_memory` of all cells, see `mmfeat.config.FitSettings`.

    Raises
    ------
    MmfeatError
        `PluginError` or `ConfigError` for what was asked, `StoreError` for the store, `FitError`
        where no cell could be finished.
    """
    settings, space = open_project(workspace)
    plan, asked = plan_asked(
        settings,
        features,
        {
            "split": split,
            **options,
            "heads": heads,
            "fusions": fusions,
            "losses": losses,
            "seeds": seeds,
            "jobs": jobs,
            "engine": engine,
            "ray_address": ray_address,
            "budget": budget,
        },
    )
    target = objective or settings.thresholds.objective
    if objective is None and target == ThresholdSettings.objective:
        log.info(
            "by %s, in which each label counts alike; for the tags of rows, --objective samples-f1",
            target,
        )
    for config in () if quick else plan.cells[:1]:
        warn_seen_before(space, config, submitted=settings.submit.split)
    cells = plan.cells
    if quick and cells:
        space, cells = sketch(space, cells)
    shown = nullcontext() if show is None else show(len(cells), target)
    with shown as report:
        outcome = run_cells(
            space,
            cells,
            objective=target,
            thresholds=settings.thresholds,
            engine=asked.engine,
            jobs=asked.jobs,
            ray_address=asked.ray_address,
            budget=seconds_of(asked.budget) if asked.budget else math.inf,
            is_race=quick,
            report=report or (lambda event: None),
        )
    report_skipped((describe(config), reason) for config, reason in outcome.left_out)
    if not outcome.runs:
        raise FitError(
            "a comparison needs a finished cell", "all cells were skipped", "see the reasons above"
        )
    runs = outcome.runs
    if ensemble:
        aim = replace(settings.thresholds, objective=target)
        runs = (*runs, *fit_ensemble(space, runs, aim=aim))
    board = keep_leaderboard(space, runs, objective=target, thresholds=settings.thresholds)
    log.info("leaderboard: %s", space.leaderboard)
    first = runs[0].config
    warn_of_neighbours(space, first, Stores.of(first).load(space))
    return board
