"""The verb `tune`: out-of-fold scores of a run become its decision."""

from __future__ import annotations

import logging
from pathlib import Path

from mmfeat.core.checks import check_arguments
from mmfeat.core.settings import override
from mmfeat.core.workspace import open_project
from mmfeat.decide.decision import Decision
from mmfeat.decide.forecast import forecast as decide_forecast
from mmfeat.errors import RunError
from mmfeat.runs.listing import find_run
from mmfeat.runs.run import Run

EXPECTED_F1 = "expected-f1"

log = logging.getLogger(__name__)


@check_arguments
def tune(
    run: Run | str | None = None,
    *,
    objective: str | None = None,
    method: str | None = None,
    decode: str | None = None,
    beta: float | None = None,
    floor: float | None = None,
    seed: int = 0,
    workspace: Path | str | None = None,
) -> Decision:
    """Choose a threshold per class on the out-of-fold scores of a run, with an honest estimate.

    Parameters
    ----------
    run
        A run or its name; None: the best of the last comparison, or the newest finished one.
    objective, method, beta, floor
        See `mmfeat.config.ThresholdSettings`, which has the defaults. `beta` is of the objective
        f-beta, `floor` of precision-at-least and recall-at-least.
    decode
        How probabilities become a label set; None: as is best for the objective.
    seed
        Of the resamples.

    Raises
    ------
    MmfeatError
        `PluginError` or `ConfigError` for what was asked, `RunError` for the run.
    """
    settings, space = open_project(workspace)
    options = override(
        settings.thresholds, objective=objective, method=method, beta=beta, floor=floor
    )
    found = find_run(space, run, objective=objective)
    log.info("tuning %s for %s", found.name, options.objective)
    # As a method it is what older versions called the decode of that name.
    is_decode = options.method == EXPECTED_F1
    return found.tune(
        options.objective,
        method=None if is_decode else options.method,
        decode=EXPECTED_F1 if is_decode else decode,
        beta=options.beta,
        floor=options.floor,
        seed=seed,
    )


def forecast(run: Run, *, n_rows: int, objective: str | None = None) -> tuple[float, float]:
    """The central 95 % of the objective on new tests of `n_rows` rows, by a decision of the run.

    `objective` chooses the decision; None: the one in use. See `mmfeat.decide.forecast.forecast`.
    Raises `RunError` where the run has no such decision.
    """
    decision, held_out = run.decision_for(objective), run.decisions.held_out(objective)
    if held_out is None:
        raise RunError(
            "a forecast needs a tuned run",
            f"{run.name} has no label sets of held-out folds",
            f"run `mmfeat tune-thresholds {run.name}` first",
        )
    return decide_forecast(run.oof, decision, held_out, n_rows=n_rows)
