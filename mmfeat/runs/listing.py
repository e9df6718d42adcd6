"""The runs of a workspace: all of them, one by name, and what is known about each."""

from __future__ import annotations

import os
import shlex
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mmfeat import metrics
from mmfeat.core.workspace import Workspace
from mmfeat.decide.ap_intervals import class_ap_intervals
from mmfeat.decide.decision import Decision
from mmfeat.errors import RunError, did_you_mean
from mmfeat.metrics.known import note_unknown
from mmfeat.runs.run import BUNDLE, Run
from mmfeat.runs.winner.choose import choose_run
from mmfeat.store.missing import has_stores
from mmfeat.tables import READERS
from mmfeat.types import OutOfFold, Targets

MOST_NAMES = 5  # of runs that an error lists, the nearest ones


def list_runs(workspace: Workspace) -> list[Run]:
    """All runs of the workspace, finished ones first, each group newest first."""
    if not workspace.runs.is_dir():
        return []
    runs = [Run(folder) for folder in workspace.runs.iterdir() if _is_run(folder)]
    return sorted(runs, key=lambda run: (run.is_done, _age(run), run.name), reverse=True)


def find_run(
    workspace: Workspace,
    wanted: Run | str | None,
    *,
    tuned: bool = False,
    objective: str | None = None,
) -> Run:
    """Find a finished run by its name, or the one that a command takes where none is named.

    With `tuned`, one that has thresholds. See `mmfeat.runs.winner.choose` for what is taken, where
    `objective` is one that was asked for. Raises `RunError` where there is none, or where the
    wanted one is unfinished.
    """
    remedy = "run `mmfeat tune-thresholds` first" if tuned else how_to_begin(workspace)
    if wanted is None:
        finished = [run for run in list_runs(workspace) if run.is_done]
        fitting = [run for run in finished if not tuned or _is_tuned(run)]
        if not fitting:
            kind = "finished run with thresholds" if tuned else "finished run"
            raise RunError(f"a {kind} is needed", f"{workspace.runs} holds none", remedy)
        return choose_run(workspace, fitting, objective=objective)
    run = wanted if isinstance(wanted, Run) else _named(workspace, wanted)
    if not run.folder.is_dir():
        names = [found.name for found in list_runs(workspace)]
        listed = get_close_matches(run.name, names, n=MOST_NAMES) or names[:MOST_NAMES]
        more = f", … and {len(names) - len(listed)} more" if len(names) > len(listed) else ""
        raise RunError(
            f"the run {run.name!r} must exist",
            f"the runs are: {', '.join(listed)}{more}" if names else f"{workspace.runs} holds none",
            did_you_mean(run.name, names, "name one of them" if names else how_to_begin(workspace)),
        )
    if not run.is_done:
        raise RunError(
            "only finished runs are read",
            f"{run.folder} has no DONE",
            "run the same `mmfeat fit` again to finish it",
        )
    if tuned and not run.has_thresholds:
        raise RunError("the run needs thresholds", f"{run.folder} has none", remedy)
    return run


def how_to_begin(workspace: Workspace) -> str:
    """The remedy where no run is finished."""
    if any(run.is_done for run in list_runs(workspace.sketch)):
        return "a sketch is no run: run `mmfeat compare` on all rows"
    if has_stores(workspace.features):
        return "run `mmfeat compare` first"
    return "run `mmfeat extract` and `mmfeat compare` first, in a new folder `mmfeat init`"


def measure_run(run: Run, *, per_class: bool = True, zero_division: float = 0.0) -> dict[str, Any]:
    """Every metric of the out-of-fold scores, as the run decides them, and a row per class.

    The rows take long where there are thousands of classes; without `per_class` there are none.
    Thresholds were chosen on these rows; the honest estimate of what they are worth is
    `nested` in thresholds.json. `ap_interval` is the 95 % interval of the AP, on the resamples of
    `mmfeat.decide.resampling`. `nested` is that estimate with its interval, None where nothing was
    tuned.
    """
    scores, decision = run.oof, run.decision
    predicted = decision.decide(scores.probabilities)
    return {
        "run": run.name,
        "decision": f"{decision.objective}, {decision.method}",
        "decisions": list(run.decisions.objectives),
        "judged_by": run.judged_by,
        "metrics": metrics.summarise(
            scores.probabilities,
            predicted,
            scores.targets,
            names=tuple(metrics.METRICS),
            zero_division=zero_division,
        ),
        "nested": _nested(decision),
        "notes": [
            *note_unknown(scores.targets),
            *metrics.note_empty_rows(scores.targets, zero_division=zero_division),
            *([run.doubt] if run.doubt else []),
        ],
        "per_class": _measure_classes(scores, predicted, zero_division) if per_class else [],
    }


def _nested(decision: Decision) -> dict[str, Any] | None:
    if "nested" not in decision.oof or "nested" not in decision.intervals:
        return None
    return {
        "objective": decision.objective,
        "value": decision.oof["nested"].get(decision.objective.replace("-", "_")),
        "interval": decision.intervals["nested"],
    }


def _measure_classes(
    scores: OutOfFold, predicted: Targets, zero_division: float
) -> list[dict[str, Any]]:
    return metrics.per_class(
        scores.probabilities,
        predicted,
        scores.targets,
        scores.labels,
        zero_division=zero_division,
        ap_intervals=class_ap_intervals(
            scores.probabilities, scores.targets, folds=scores.folds, groups=scores.groups
        ),
    )


def _named(workspace: Workspace, name: str) -> Run:
    """The run of a name, which need not exist; raise `RunError` for a path to something."""
    path = Path(name)
    try:
        is_path = path.exists() and not (path.name == name and workspace.run(name).is_dir())
    except (OSError, ValueError):  # too long for a path, or with a NUL
        is_path = False
    if not is_path:
        return Run(workspace.run(name))
    rule = "a run is given by its name"
    if (path / BUNDLE).is_file():
        raise RunError(
            rule,
            f"{name} is a bundle, which predicts and is not changed",
            "name its run; `mmfeat predict` and `mmfeat submit` take a bundle",
        )
    if path.is_dir() and _is_run(path):
        raise RunError(rule, f"{name} is its folder", f"name it: {path.resolve().name}")
    quoted = shlex.quote(name)
    if path.suffix.lower() in READERS:
        remedy = (
            f"predict a table with `mmfeat predict --table {quoted}`, check a submission with"
            f" `mmfeat submit --check --out {quoted}`"
        )
    elif path.suffix == ".h5":
        remedy = f"predict a store by its split, `mmfeat predict --split {shlex.quote(path.stem)}`"
    else:
        what = f"--images {quoted}" if path.is_dir() else f"--image {quoted}"
        remedy = (
            f"predict it with `mmfeat predict {what}`, or name pictures in a table with the"
            " columns of the run's table, a row each, and use --table"
        )
    raise RunError(rule, f"{name} is a {'folder' if path.is_dir() else 'file'}", remedy)


def _is_run(folder: Path) -> bool:
    """Whether there is a run, which need not be sound; hidden folders are none."""
    return not folder.name.startswith(".") and os.path.lexists(folder / "config.json")


def _is_tuned(run: Run) -> bool:
    """Whether it has thresholds, as far as it can be read."""
    try:
        return run.has_thresholds
    except RunError:
        return False


def _age(run: Run) -> int:
    try:
        done = run.folder / "DONE"
        return (done if done.exists() else run.folder / "config.json").stat().st_mtime_ns
    except OSError:
        return 0
