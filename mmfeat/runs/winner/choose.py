"""The run that a command takes where none is named.

1. The best of the last comparison, of a table that is as it was; of one by the objective that
   was asked for, if there is any.
2. Where nothing was compared: the newest finished run, of a table that is as it was.
3. Where neither is there, nothing is taken.

What is taken, and why, is told in one line.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from mmfeat.core.workspace import Workspace
from mmfeat.errors import MmfeatError, RunError
from mmfeat.runs.run import Run
from mmfeat.runs.winner.comparisons import (
    KeptComparison,
    Question,
    comparison_path,
    read_comparisons,
)

log = logging.getLogger(__name__)


def choose_run(workspace: Workspace, finished: Sequence[Run], *, objective: str | None) -> Run:
    """Choose among the finished runs, which are given newest first and are not none.

    Raises `RunError` where nothing that was compared or fitted is of a present table.
    """
    names = {run.name for run in finished}
    last = last_comparison(workspace, names, objective=objective)
    if last is not None:
        _tell_newer(workspace, last, finished)
        run = _best(workspace, last, names)
        _tell_others(workspace, run, last, names)
        return run
    for run in finished:
        if _is_of_present(run, workspace):
            others = "the only finished run" if len(finished) == 1 else "the newest finished run"
            log.info("run %s: %s; its table has no comparison", run.name, others)
            return run
    if compared := [each for each in read_comparisons(workspace) if names.intersection(each.runs)]:
        question = compared[0].question
        raise RunError(
            "without a name, the best run of the last comparison is used",
            f"{question.split} has changed since its runs were compared",
            f"run `mmfeat compare` again, or name a run such as {compared[0].runs[0]}",
        )
    newest = finished[0]
    log.warning(
        "run %s, the newest, was fitted on an earlier version of %s; fit again to use the new one",
        newest.name,
        newest.config.split,
    )
    return newest


def last_comparison(
    workspace: Workspace, names: Collection[str], *, objective: str | None
) -> KeptComparison | None:
    """The last comparison with some of the runs `names`, of a table that is as it was.

    Of one by `objective`, if there is any. Raises `RunError` for a damaged file.
    """
    compared = [
        kept
        for kept in read_comparisons(workspace)
        if any(name in names for name in kept.runs) and kept.question.is_of_present(workspace)
    ]
    wanted = [kept for kept in compared if kept.question.objective == objective]
    return next(iter(wanted or compared), None)


def _best(workspace: Workspace, kept: KeptComparison, names: set[str]) -> Run:
    """The first run of the best place that still has one."""
    place = next(place for place in kept.places if names.intersection(place.runs))
    run = Run(workspace.run(next(name for name in place.runs if name in names)))
    ties = sum(other.tied for other in kept.places) - 1 if place.tied else 0
    log.info(
        "run %s: best of the last comparison of %s, nested %s %.4f%s",
        run.name,
        kept.question.split,
        kept.question.objective,
        place.nested,
        f", not distinguishable from {ties} other{'s' * (ties > 1)}" if ties else "",
    )
    if kept.choice:
        log.info("%s", kept.choice)
    if kept.doubt:
        log.warning("%s", kept.doubt)
    return run


def _tell_others(
    workspace: Workspace, run: Run, kept: KeptComparison, names: Collection[str]
) -> None:
    """Say what is best by other objectives, where a later comparison took its place."""
    of = (kept.question.split, kept.question.digest)
    told = {kept.question.objective}
    for other in read_comparisons(workspace):
        question = other.question
        if (question.split, question.digest) != of or question.objective in told:
            continue
        told.add(question.objective)
        best = next((name for name in other.runs if name in names), run.name)
        if best != run.name:
            log.info(
                "by %s, compared earlier, %s is best; name it to use it", question.objective, best
            )


def _tell_newer(workspace: Workspace, kept: KeptComparison, finished: Sequence[Run]) -> None:
    """Warn of a run of the same table that was fitted since, outside of the comparison."""
    newest = finished[0]
    if newest.name in kept.runs:
        return
    compared_at = comparison_path(workspace, kept.question, "json").stat().st_mtime_ns
    try:
        is_newer = (newest.folder / "DONE").stat().st_mtime_ns > compared_at
        compared = [run for run in finished if kept.question.by_set and run.name in kept.runs]
        digests = {kept.question.digest, *(Question.of(run, "").digest for run in compared)}
        is_same = Question.of(newest, "").digest in digests
    except (MmfeatError, OSError):
        return
    if is_newer and is_same:
        log.warning(
            "run %s was fitted after the last comparison and is not part of it; name it to use it",
            newest.name,
        )


def _is_of_present(run: Run, workspace: Workspace) -> bool:
    """Whether it was fitted on what its stores are now; also where it cannot be read."""
    try:
        return Question.of(run, "").is_of_present(workspace)
    except MmfeatError:
        return True
