"""The runs of a workspace, best first: a row for each, also for those that cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmfeat import metrics
from mmfeat.core.checks import check_arguments
from mmfeat.core.plugins import check_name
from mmfeat.core.workspace import Workspace, open_project
from mmfeat.decide.decision import HALVES
from mmfeat.decide.thresholds import OBJECTIVES
from mmfeat.errors import MmfeatError
from mmfeat.runs.listing import list_runs
from mmfeat.runs.run import Run
from mmfeat.runs.winner.comparisons import KeptComparison, Question, read_comparisons

Row = dict[str, Any]


@check_arguments
def rank_runs(objective: str | None = None, *, workspace: Path | str | None = None) -> list[Row]:
    """One row per run, best first by `nested` of `objective`, table by table.

    The table of the last comparison comes first, and its objective is the default. Runs that are
    decided for another objective alone show that one, below the others of their table; those that
    are unfinished or broken come last.
    """
    settings, space = open_project(workspace)
    kept = _comparisons(space)
    if objective is None:
        objective = kept[0].question.objective if kept else settings.thresholds.objective
    check_name(objective, OBJECTIVES, "objective")
    rows = [(_table(run), summarise_run(run, objective=objective)) for run in list_runs(space)]
    places = {name: at for at, name in enumerate(kept[0].runs if kept else ())}
    keys = {row["run"]: key for key, row in rows}
    compared = [{_key(each.question), *map(keys.get, each.runs)} for each in kept]
    order: dict[Any, int] = {}
    for at, tables in enumerate([*compared, *({key} for key, _ in rows)]):
        order |= dict.fromkeys(tables - order.keys(), at)

    def rank(row: tuple[Any, Row]) -> tuple[Any, ...]:
        key, found = row
        nested = found["nested"]
        return (
            found["status"] != "finished",
            order[key],
            found["objective"] != objective,
            -nested if isinstance(nested, float) else 0.0,
            places.get(found["run"], len(places)),
        )

    return [row for _, row in sorted(rows, key=rank)]


def summarise_run(run: Run, *, objective: str | None = None) -> Row:
    """One row about a run; what is not known is None, as where it is unfinished or broken.

    `objective` and `nested` are of its decision for that objective, or else of that in use;
    `decisions` are all objectives it is decided for, that in use first.
    """
    keys = ("run", "nested", "interval", "objective", "head", "fusion", "loss", "features")
    row: Row = dict.fromkeys((*keys, "split", "folds", "seed", "status", "thresholds"))
    row |= dict.fromkeys(metrics.HEADLINE)
    row |= {"run": run.name, "decisions": []}
    try:
        config = run.config
        row |= {name: getattr(config, name) for name in ("head", "fusion", "split", "folds")}
        row |= {"loss": config.loss or "-", "seed": config.seed}
        row["features"] = ",".join(config.features) or "-"
        row["decisions"] = list(run.decisions.objectives)
        row["thresholds"] = run.decision.objective if run.has_thresholds else "-"
        if run.is_done:
            oof = run.metrics["oof"]["at_0.5"]
            row |= {name: oof.get(name) for name in metrics.HEADLINE}
            row |= _decided(run, objective)
    except (MmfeatError, OSError, KeyError, TypeError, AttributeError):
        row["status"] = "broken"
    else:
        row["status"] = "finished" if run.is_done else "unfinished"
    return row


def _decided(run: Run, objective: str | None) -> Row:
    """What the run is worth by an objective, or by that of its decision in use."""
    decision = run.decisions.read(objective) or run.decision
    if decision.objective == HALVES:
        return {"objective": "-"}
    return {
        "objective": decision.objective,
        "nested": decision.oof["nested"][decision.objective.replace("-", "_")],
        "interval": list(decision.intervals["nested"]),
    }


def _comparisons(workspace: Workspace) -> list[KeptComparison]:
    try:
        return read_comparisons(workspace)
    except MmfeatError:  # a list of runs does without them
        return []


def _table(run: Run) -> tuple[str, str] | None:
    """What it was fitted on; None where it cannot be read."""
    try:
        return _key(Question.of(run, ""))
    except (MmfeatError, OSError, KeyError, TypeError, AttributeError):
        return None


def _key(question: Question) -> tuple[str, str]:
    return question.split, question.digest
