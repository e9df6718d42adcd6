"""One cell of a comparison: an ordinary run, fitted and tuned, and the events about it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mmfeat.compare.board.judged import kept_decision, tune_for
from mmfeat.config import ThresholdSettings
from mmfeat.core.workspace import Workspace
from mmfeat.errors import MmfeatError
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import Training
from mmfeat.runs.config import RunConfig
from mmfeat.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class Event:
    """The progress or the outcome of a cell.

    Attributes
    ----------
    state
        ``running``: `done` of `total` heads of the folds are fitted; ``finished``: `run` is the
        name of its run; ``failed``: it cannot be fitted, see `reason`; ``stopped``: the budget was
        spent, and the fitted heads are kept.
    at_half, nested
        Of a finished cell: the objective at 0.5, and decided on held-out folds.
    low
        Of a finished cell: where the 95 % interval of `nested` begins.
    seconds
        Of a finished cell: the duration of its fit, in this comparison or earlier.
    is_reused
        Of a finished cell: whether it was already finished.
    """

    cell: RunConfig
    state: Literal["running", "finished", "failed", "stopped"]
    done: int = 0
    total: int = 0
    run: str = ""
    reason: str = ""
    at_half: float = math.nan
    nested: float = math.nan
    low: float = math.nan
    seconds: float = math.nan
    is_reused: bool = False


class OutOfTimeError(Exception):
    """The budget was spent in the middle of a cell."""


def run_cell(
    workspace: Workspace,
    cell: RunConfig,
    training: Training,
    *,
    aim: ThresholdSettings,
    deadline: float,
    report: Callable[[Event], None],
) -> Event:
    """Fit and tune one cell; call `report` after every fitted head, and return the last event.

    A finished run of the same config and stores is reused, and so are its thresholds if they are
    for this `aim`. `deadline`, by `time.monotonic`, is checked after every head.
    """

    is_reused = True

    def on_fit(done: int, total: int) -> None:
        nonlocal is_reused
        is_reused = False
        report(Event(cell=cell, state="running", done=done, total=total))
        if time.monotonic() > deadline:
            raise OutOfTimeError

    try:
        run = fit_run(workspace, cell, training, on_fit=on_fit)
        worth = _decide(run, aim)
    except OutOfTimeError:
        return Event(cell=cell, state="stopped", reason="the budget was spent")
    except MmfeatError as error:
        return Event(cell=cell, state="failed", reason=str(error))
    return Event(
        cell=cell,
        state="finished",
        run=run.name,
        at_half=worth["at_0.5"],
        nested=worth["nested"],
        low=worth["low"],
        seconds=sum(run.metrics["seconds"].values()),
        is_reused=is_reused,
    )


def _decide(run: Run, aim: ThresholdSettings) -> dict[str, float]:
    """Tune the run unless it is tuned; give its objective at 0.5, `nested` and its `low` end.

    The decision is used from now on, unless the run has one that was asked for.
    """
    decision = kept_decision(run, aim)
    if decision is None:
        decision = tune_for(run.oof, aim)
        run.write_decision(decision, asked_for=False)
    else:
        run.use_decision(aim.objective)
    key = aim.objective.replace("-", "_")
    worth = {name: decision.oof[name][key] for name in ("at_0.5", "nested")}
    worth["low"] = decision.intervals["nested"][0]
    return {name: math.nan if value is None else value for name, value in worth.items()}
