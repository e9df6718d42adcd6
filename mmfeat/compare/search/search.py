"""The verb `search`: trials of one head's options, out of fold; the best becomes a run."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

from mmfeat.compare.search.study import Trial
from mmfeat.compare.search.trials import fit_best, optimism, plan_search, ranked, run_trials
from mmfeat.core.checks import check_arguments
from mmfeat.core.settings import override_all
from mmfeat.core.workspace import open_project
from mmfeat.errors import ConfigError, short
from mmfeat.fit.heads.space import setting_of
from mmfeat.fit.held_out import with_folds
from mmfeat.fit.options import FitOptions
from mmfeat.fit.plan import plan_run
from mmfeat.fit.related import warn_seen_before
from mmfeat.fit.training_data import Stores
from mmfeat.runs.listing import find_run
from mmfeat.runs.run import Run

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a search found.

    Attributes
    ----------
    run
        The best trial, fitted like any other run.
    trials
        All trials, in order.
    objective
        The objective that ranks them.
    optimism
        How optimistic the value of the best trial is, as it was selected; None for fewer than two.
    """

    run: Run
    trials: tuple[Trial, ...]
    objective: str
    optimism: float | None

    @property
    def finished(self) -> list[Trial]:
        """The trials that were not dropped, best first."""
        return ranked(self.trials)


MOST_TRIALS = 10_000


@check_arguments
def search(
    run: Run | str | None = None,
    *,
    split: str | None = None,
    features: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    trials: int = 30,
    timeout: float = math.inf,
    objective: str | None = None,
    name: str | None = None,
    workspace: Path | str | None = None,
    stopped: Callable[[], bool] = lambda: False,
    **options: Unpack[FitOptions],
) -> SearchResult:
    """Search the options of a head on out-of-fold scores; the same call continues a search.

    Parameters
    ----------
    run
        A run to start from; None: the start is given by `options`.
    split, features
        Name of the store, and feature sets to join.
    settings
        Options of the head that stay fixed.
    trials
        Their total number, earlier calls included; at most 10,000.
    timeout
        Seconds after which no trial starts.
    objective
        macro-f1, micro-f1 or samples-f1.
    name
        Name of the search; None: derived from its settings.
    stopped
        Called before each trial; if true, the search stops and raises `KeyboardInterrupt`.

    Raises
    ------
    MmfeatError
        `ConfigError` for what was asked, `StoreError` for the store, `FitError` where no trial
        could be finished, `RunError` for the file of trials.
    """
    if not 1 <= trials <= MOST_TRIALS:
        raise ConfigError(
            f"a search has 1 to {MOST_TRIALS:,} trials",
            f"--trials asks for {short(str(trials))}",
            "give another number",
        )
    project, space = open_project(workspace)
    asked = {"split": split, **options}
    if run is None:
        (fitting,) = override_all(asked, project.fit)
        start = plan_run(fitting, features=tuple(features), workspace=space)
    else:
        given = [key for key, value in {**asked, "features": features}.items() if value]
        if given:
            raise ConfigError(
                "a run to start from determines the settings",
                f"{', '.join(given)} {'is' if len(given) == 1 else 'are'} given as well",
                "omit them, or omit the run",
            )
        start = find_run(space, run).config
    fixed = {
        key: value if isinstance(value, str) else setting_of(value)
        for key, value in (settings or {}).items()
    }
    training = Stores.of(start).load(space)
    start = with_folds(start, training)
    plan = plan_search(
        replace(start, settings={**start.settings, **fixed}),
        objective=objective or project.thresholds.objective,
        fixed=fixed,
    )
    warn_seen_before(space, start, submitted=project.submit.split)
    found = run_trials(
        space, plan, training, trials=trials, name=name, timeout=timeout, stopped=stopped
    )
    if stopped():
        raise KeyboardInterrupt
    return SearchResult(
        run=fit_best(space, plan, training, found, name=name),
        trials=tuple(found),
        objective=plan.objective,
        optimism=optimism(found),
    )
