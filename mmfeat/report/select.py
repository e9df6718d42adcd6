"""Select the runs of a report: the named ones, or all that are comparable with the newest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmfeat.core.workspace import Workspace
from mmfeat.errors import MmfeatError, RunError
from mmfeat.report.facts import RunFacts
from mmfeat.runs.listing import find_run, list_runs
from mmfeat.runs.run import Run
from mmfeat.types import OutOfFold


def select_runs(
    workspace: Workspace, names: Sequence[str] = ()
) -> tuple[list[Run], tuple[str, ...]]:
    """Give the finished runs `names`, or all on the rows of the newest; and reasons for the others.

    Raises `RunError` if a named run is missing or unfinished, and if there is no run.
    """
    if names:
        return [find_run(workspace, name) for name in dict.fromkeys(names)], ()
    runs: list[Run] = []
    left_out: list[str] = []
    first: OutOfFold | None = None
    for run in list_runs(workspace):
        try:
            scores = _read(run)
        except MmfeatError as error:
            left_out.append(f"{run.name}: {error}")
            continue
        first = first or scores
        if _same_rows(scores, first):
            runs.append(run)
        else:
            left_out.append(f"{run.name}: it has other rows, labels or targets than {runs[0].name}")
    if not runs:
        raise RunError(
            "a report needs a finished run", f"{workspace.runs} has none", "run `mmfeat fit` first"
        )
    return runs, tuple(left_out)


def _read(run: Run) -> OutOfFold:
    """The scores of a run; raise `RunError` unless all its files can be read."""
    if not run.is_done:
        raise RunError("only finished runs are read", "it has no DONE", "fit it again to its end")
    RunFacts.read(run)
    return run.oof


def _same_rows(one: OutOfFold, other: OutOfFold) -> bool:
    return (
        one.ids == other.ids
        and one.labels == other.labels
        and np.array_equal(one.targets, other.targets)
    )
