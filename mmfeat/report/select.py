"""Select the runs of a report: the named ones, or all that answer one question."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from mmfeat.core.workspace import Workspace
from mmfeat.errors import MmfeatError, RunError
from mmfeat.report.facts import RunFacts
from mmfeat.runs.listing import find_run, how_to_begin, list_runs
from mmfeat.runs.run import Run
from mmfeat.runs.winner.choose import last_comparison
from mmfeat.runs.winner.comparisons import Question
from mmfeat.types import OutOfFold

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The runs of a report, one reason per run that is left out, and the objective, if told."""

    runs: tuple[Run, ...]
    left_out: tuple[str, ...] = ()
    objective: str | None = None


def select_runs(
    workspace: Workspace, names: Sequence[str] = (), *, objective: str | None = None
) -> Selection:
    """Select the finished runs `names`, or all that answer the question of the last comparison.

    Where nothing was compared, it is the question of the newest run. Raises `RunError` if a named
    run is missing or unfinished, and if there is no run.
    """
    if names:
        return Selection(runs=tuple(find_run(workspace, name) for name in dict.fromkeys(names)))
    sound: dict[str, tuple[Run, str]] = {}  # with the digest of its rows
    left_out: list[str] = []
    for run in list_runs(workspace):
        try:
            sound[run.name] = run, _rows(_read(run))
        except MmfeatError as error:
            left_out.append(f"{run.name}: {error}")
    if not sound:
        raise RunError(
            "a report needs a finished run",
            f"{workspace.runs} has none",
            how_to_begin(workspace),
        )
    last = last_comparison(workspace, sound, objective=objective)
    first = next(name for name in (last.runs if last else sound) if name in sound)
    question = Question.of(sound[first][0], "")
    compared = last.runs if last and last.question.by_set else ()
    questions = {question, *(Question.of(sound[n][0], "") for n in compared if n in sound)}
    if not question.is_of_present(workspace):
        log.warning("the runs were fitted on an earlier version of %s", question.split)
    runs = []
    for run, rows in sound.values():
        if rows != sound[first][1]:
            left_out.append(f"{run.name}: its rows, labels or targets differ from those of {first}")
        elif (other := Question.of(run, "")) not in questions:
            left_out.append(f"{run.name}: it has other {_differing(other, question)} than {first}")
        else:
            runs.append(run)
    places = {name: at for at, name in enumerate(last.runs if last else ())}
    runs.sort(key=lambda run: places.get(run.name, len(places)))  # equals stay as they were ranked
    return Selection(
        runs=tuple(runs),
        left_out=tuple(left_out),
        objective=last.question.objective if last else None,
    )


def _differing(one: Question, other: Question) -> str:
    keys = [key for key, value in asdict(one).items() if value != getattr(other, key)]
    return ", ".join("embeddings" if key == "digest" else key for key in keys)


def _read(run: Run) -> OutOfFold:
    """The scores of a run; raise `RunError` unless all its files can be read."""
    if not run.is_done:
        raise RunError("only finished runs are read", "it has no DONE", "fit it again to its end")
    RunFacts.read(run)
    return run.oof


def _rows(scores: OutOfFold) -> str:
    """A digest of ids, labels and targets."""
    total = hashlib.sha256(json.dumps([list(scores.ids), scores.labels]).encode())
    total.update(np.ascontiguousarray(scores.targets).data)
    return total.hexdigest()
