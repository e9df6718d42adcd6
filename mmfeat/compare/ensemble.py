"""The ensemble that ends a comparison: chosen greedily from its runs, and a run itself.

Its weights for a fold are chosen on the other folds, so that what it says of itself includes the
choice, and it stands on the leaderboard beside the runs that it averages.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

from mmfeat.compare.cells import run_cell
from mmfeat.config import FitSettings, ThresholdSettings
from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError
from mmfeat.fit.models.ensemble import Ensemble
from mmfeat.fit.training_data import Stores
from mmfeat.runs.run import Run

log = logging.getLogger(__name__)


def fit_ensemble(
    workspace: Workspace, runs: Sequence[Run], *, aim: ThresholdSettings
) -> tuple[Run, ...]:
    """Fit and tune an ensemble per seed, as runs of different seeds have other folds.

    Seeds with a single run are left out. Raises `FitError` where that leaves nothing.
    """
    found = []
    for seed in sorted({run.config.seed for run in runs}):
        names = sorted(run.name for run in runs if run.config.seed == seed)
        if len(names) < 2:
            continue
        config = Ensemble.plan(
            FitSettings(),
            features=(),
            settings={"runs": ",".join(names), "weights": "greedy"},
            workspace=workspace,
        )
        training = Stores.of(config).load(workspace)
        event = run_cell(
            workspace, config, training, aim=aim, deadline=math.inf, report=lambda _: None
        )
        if event.state == "failed":
            log.warning("no ensemble of seed %d: %s", seed, event.reason)
        else:
            found.append(Run(workspace.run(event.run)))
    if not found:
        raise FitError(
            "an ensemble averages two or more runs of the same folds",
            f"this comparison has {len(runs)} that can be averaged",
            "compare several heads or fusions, or leave out --ensemble",
        )
    return tuple(found)
