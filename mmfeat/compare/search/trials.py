"""Hyper-parameter search: trials of one head on the same folds; the best becomes a run.

1. The head defines the options (`search_space`). The first trial is the start itself.
2. The value of a trial is its out-of-fold objective: every fold is decided with thresholds chosen
   on the other folds. From the second fold on, a trial is dropped if it is below the median of the
   finished trials at that fold.
3. The best trial is fitted like any other run.

The best of many trials is selected on the rows that judge it, so its value is optimistic.
`optimism` estimates by how much: the loss if every fold is judged by the trial that is best on the
other folds.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from mmfeat.compare.search.study import Report, Trial, make_trial, n_possible, open_study, trials_of
from mmfeat.core.plugins import check_name
from mmfeat.core.workspace import Workspace
from mmfeat.decide.nested import nested
from mmfeat.decide.thresholds import OBJECTIVES, TuningData
from mmfeat.errors import ConfigError, FitError, counted
from mmfeat.fit.heads.space import Space
from mmfeat.fit.held_out import shared_folds
from mmfeat.fit.models.model import build_model
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import Training
from mmfeat.runs.config import RunConfig
from mmfeat.runs.folds import Folds
from mmfeat.runs.run import Run

log = logging.getLogger(__name__)

SEARCHED = ("macro-f1", "micro-f1", "samples-f1")


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """The start of a search, the options it varies, and its objective."""

    start: RunConfig
    space: Space
    objective: str

    def identity(self, digest: str) -> str:
        """Everything that the trials depend on, as JSON; `digest` is that of the stores."""
        space = {key: repr(option) for key, option in self.space.items()}
        document = [asdict(self.start), space, self.objective, digest]
        return json.dumps(document, sort_keys=True)

    def name(self, digest: str) -> str:
        """The default name of the search."""
        tag = hashlib.sha256(self.identity(digest).encode()).hexdigest()[:8]
        parts = ["search", self.start.head, self.start.fusion, self.start.loss, tag]
        return "-".join(part for part in parts if part)

    def config(self, settings: dict[str, str]) -> RunConfig:
        """The run of a trial."""
        return replace(self.start, settings={**self.start.settings, **settings})


def plan_search(start: RunConfig, *, objective: str, fixed: Collection[str] = ()) -> SearchPlan:
    """Plan a search around `start`; the settings named in `fixed` are not changed.

    Raises `ConfigError` if nothing is left to search or the objective is not a mean F1, and what
    `Model.build` raises.
    """
    check_name(objective, OBJECTIVES, "objective")
    if objective not in SEARCHED:
        raise ConfigError(
            f"the objectives of a search are {', '.join(SEARCHED)}",
            f"the objective is {objective}",
            "use one of them, and tune thresholds for the other objective",
        )
    space = build_model(start).search_space()
    left = {key: option for key, option in space.items() if key not in fixed}
    if not left:
        raise ConfigError(
            f"a search of the head {start.head} changes {', '.join(space) or 'nothing'}",
            f"--set fixes {', '.join(fixed) or 'nothing'}",
            "leave one of them out",
        )
    return SearchPlan(start=start, space=left, objective=objective)


def run_trials(
    workspace: Workspace,
    plan: SearchPlan,
    training: Training,
    *,
    trials: int,
    name: str | None = None,
    timeout: float = math.inf,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Trial]:
    """Run trials until there are `trials`, earlier calls included; return all of them.

    They are stored in `<workspace>/search/<name>.db`. No trial starts later than `timeout` seconds
    after the call, or once `stopped` returns true. Raises `RunError` if that file is damaged or in
    use, and what fitting the start raises.
    """
    path = workspace.search(name or plan.name(training.digest))
    folds = shared_folds(workspace, plan.start, training)
    wanted = min(trials, n_possible(plan.space))
    if wanted < trials:
        log.info("only %s", counted(int(wanted), "different setting"))

    def judge(settings: dict[str, str], report: Report) -> tuple[float, list[float]]:
        return _judge(plan, training, folds, settings=settings, report=report)

    end = time.monotonic() + timeout
    with open_study(path, plan.identity(training.digest)) as study:
        made = trials_of(study)
        if made:
            log.info("search %s continues after %s", path.stem, counted(len(made), "trial"))
        while len(made) < wanted and time.monotonic() < end and not stopped():
            number = len(made) + 1
            made += [
                make_trial(study, plan.space, number=number, seed=plan.start.seed, judge=judge)
            ]
            log.info("trial %d of %d: %s", number, wanted, _outcome(made, plan.objective))
    if len(made) < wanted:
        log.info(
            "%d of %d trials are finished; the same command continues the search", len(made), wanted
        )
    return made


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """The finished trials, best first."""
    finished = [(-trial.value, trial) for trial in trials if trial.value is not None]
    return [trial for _, trial in sorted(finished, key=lambda pair: pair[0])]


def fit_best(
    workspace: Workspace,
    plan: SearchPlan,
    training: Training,
    trials: Sequence[Trial],
    *,
    name: str | None = None,
) -> Run:
    """Fit the best of `trials` as the run `<search>-trial<number>`.

    Raises `FitError` if none was finished, and what `fit` raises.
    """
    if not ranked(trials):
        raise FitError("a search needs a finished trial", "none has finished", "allow more time")
    best = ranked(trials)[0]
    name = f"{name or plan.name(training.digest)}-trial{best.number}"
    return fit_run(workspace, plan.config(best.settings), training, name=name)


def optimism(trials: Sequence[Trial]) -> float | None:
    """How optimistic the best value is, as it was selected; None for fewer than two trials.

    The mean over folds of the best trial, minus the mean of the trials that are best on the other
    folds of each.
    """
    finished = ranked(trials)
    if len(finished) < 2:
        return None
    values = np.array([trial.by_fold for trial in finished])  # (trials, K)
    elsewhere = values.sum(axis=1, keepdims=True) - values
    chosen = values[elsewhere.argmax(axis=0), np.arange(values.shape[1])]
    return float((values[0] - chosen).mean())


def _judge(
    plan: SearchPlan,
    training: Training,
    folds: Folds,
    *,
    settings: dict[str, str],
    report: Report,
) -> tuple[float, list[float]]:
    """The value of `settings` over all folds and in each; reported after each but the first."""
    model = build_model(plan.config(settings))
    oof = np.full(training.targets.shape, np.nan, dtype=np.float32)
    seen = np.zeros(len(oof), dtype=bool)
    worth = math.nan, [math.nan]
    features = training.learned_by(plan.start)
    for fold, rows, probabilities in model.cross_validate(features, folds):
        if not np.isfinite(probabilities).all():
            raise FitError(
                "scores must be finite", f"some of fold {fold + 1} are not", "choose another lr"
            )
        oof[rows], seen[rows] = probabilities, True
        if len(np.unique(folds.held_out[seen])) > 1:
            data = TuningData(probabilities=oof[seen], targets=training.targets[seen])
            found = nested(data, folds.held_out[seen], plan.objective)
            worth = found.value, list(found.by_fold)
            if not seen[folds.judged].all():
                report(fold + 1, worth[0])
    return worth


def _outcome(trials: Sequence[Trial], objective: str) -> str:
    """The outcome of the last trial, in one line."""
    trial, best = trials[-1], ranked(trials)[0]
    settings = " ".join(f"{key}={value}" for key, value in trial.settings.items())
    if trial.value is None:
        return f"dropped, {trial.dropped}; {settings}"
    how = f"{objective} {trial.value:.4f} in {trial.seconds:.1f} s"
    return f"{how} (best: {best.value:.4f}, trial {best.number}); {settings}"
