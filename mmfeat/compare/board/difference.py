"""The verb `compare_runs`: two runs side by side, in their settings and class by class.

Both are decided on held-out folds for one objective. Every difference has an interval, paired on
the same resamples of folds and rows (`mmfeat.decide.paired`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmfeat.compare.board.judged import ROWS_ALONE, judge_all
from mmfeat.core.checks import check_arguments
from mmfeat.core.workspace import open_project
from mmfeat.decide.forecast import judging_data
from mmfeat.decide.paired import Decided, paired_classes, paired_interval
from mmfeat.runs.config import RunConfig
from mmfeat.runs.listing import find_run
from mmfeat.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class RunDifference:
    """What differs between two runs of the same rows and labels.

    Attributes
    ----------
    runs
        Their names.
    objective
        What both are decided for.
    nested
        The objective of each, decided on held-out folds.
    difference, interval
        The first minus the second, and its 95 % interval, paired.
    same_folds
        Whether the same folds were held out; of different seeds, only rows are paired.
    settings
        What makes the runs differ: a value of each by key.
    per_class
        For each label, the one that differs most first: its name and support, the F1 of each run
        (None without positives), the difference and its interval.
    """

    runs: tuple[str, str]
    objective: str
    nested: tuple[float, float]
    difference: float
    interval: tuple[float, float]
    same_folds: bool
    settings: dict[str, tuple[str, str]]
    per_class: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)

    def verdict(self) -> str:
        """Which is better, in one sentence."""
        low, high = self.interval
        better, worse = self.runs if self.difference >= 0 else self.runs[::-1]
        told = f"{self.objective} {self.difference:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}"
        if not self.same_folds:
            told += f"; {ROWS_ALONE}"
        if low <= 0 <= high:
            return f"the two are not distinguishable ({told})"
        return f"{better} is better than {worse} ({told})"


@check_arguments
def compare_runs(
    first: Run | str,
    second: Run | str,
    *,
    objective: str | None = None,
    workspace: Path | str | None = None,
) -> RunDifference:
    """Compare two finished runs of the same rows and labels, without changing them.

    Parameters
    ----------
    first, second
        Runs or their names.
    objective
        What both are decided for; None: what the first is decided for, or else the default.

    Raises
    ------
    MmfeatError
        `RunError` where a run is missing, or where they are of different rows, labels or targets,
        or held rows out in different ways.
    """
    settings, space = open_project(workspace)
    runs = [find_run(space, run) for run in (first, second)]
    known = runs[0].decisions.objectives
    target = objective or (known[0] if known else settings.thresholds.objective)
    scores = runs[0].oof
    aim = replace(settings.thresholds, objective=target)
    one, other = judge_all(runs, aim)
    data = judging_data(scores, one.decision)
    pair = [Decided(sets=judged.held_out, folds=judged.folds) for judged in (one, other)]
    difference = one.worth("nested") - other.worth("nested")
    return RunDifference(
        runs=(one.name, other.name),
        objective=target,
        nested=(one.worth("nested"), other.worth("nested")),
        difference=difference,
        interval=paired_interval(target, data, *pair, difference=difference),
        same_folds=np.array_equal(one.folds, other.folds),
        settings=_settings(one.config, other.config),
        per_class=paired_classes(scores.labels, data, *pair),
    )


def _settings(one: RunConfig, other: RunConfig) -> dict[str, tuple[str, str]]:
    """The settings in which two configs differ; ``-`` where one has no such setting."""
    flat = [{**asdict(config), **config.settings} for config in (one, other)]
    keys = dict.fromkeys(key for config in flat for key in config if key != "settings")
    texts = {key: (_text(flat[0].get(key)), _text(flat[1].get(key))) for key in keys}
    return {key: pair for key, pair in texts.items() if pair[0] != pair[1]}


def _text(value: object) -> str:
    if value in (None, ()):
        return "-"
    return ",".join(value) if isinstance(value, tuple) else str(value)
