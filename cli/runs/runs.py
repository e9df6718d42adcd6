"""`mmfeat runs`: the runs of the workspace, everything measured about one, or two side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmfeat.config import ThresholdSettings
from mmfeat.decide.thresholds import OBJECTIVES
from mmfeat_cli.answer import print_nested
from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import (
    JsonOption,
    PerClassOption,
    WideOption,
    WorkspaceOption,
    ZeroDivisionOption,
    of,
)
from mmfeat_cli.tables import print_classes, print_json, print_table, print_text

if TYPE_CHECKING:
    from mmfeat.compare.board.difference import RunDifference

COLUMNS = (
    *("run", "nested", "interval", "objective", "features", "head", "fusion", "loss", "split"),
    *("folds", "seed", "status", "decisions", "macro_f1", "micro_f1", "samples_f1", "map"),
)
DROPPABLE = (
    *("map", "samples_f1", "micro_f1", "macro_f1", "decisions", "seed", "folds", "loss"),
    *("split", "interval", "fusion", "head", "status"),
)
LEAST = ("calibration_error", "ap", "precision", "recall")  # of a class
MOST_CLASSES = 10  # of two runs, without --per-class


def runs(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="Runs to show: one, with all its metrics, or two, with their differences.",
        ),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="RUN", help="Remove this run; repeatable."),
    ] = None,
    objective: Annotated[
        str | None,
        of(ThresholdSettings, "objective", "Objective that ranks the runs", choices=OBJECTIVES),
    ] = None,
    zero_division: ZeroDivisionOption = 0.0,
    per_class: PerClassOption = False,
    wide: WideOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List the runs, best first; or show one run, or how two runs differ."""
    from mmfeat.compare.board.difference import compare_runs
    from mmfeat.runs.open import open_run
    from mmfeat.runs.upkeep.remove import remove_run

    show_messages(quiet=False)
    asked = names or []
    if len(asked) > 2 or (remove and asked):
        raise typer.BadParameter("name one run, two runs, or those to --remove")
    for name in remove or ():
        remove_run(name, workspace=workspace)
    if remove:
        return
    if len(asked) == 2:
        difference = compare_runs(*asked, objective=objective, workspace=workspace)
        if as_json:
            print_json(difference.to_json())
            return
        _print_difference(difference, per_class=per_class)
        return
    if asked:
        from mmfeat.runs.listing import measure_run

        found = open_run(asked[0], workspace=workspace)
        document = measure_run(found, per_class=per_class or as_json, zero_division=zero_division)
        if as_json:
            print_json(document)
            return
        _print_run(document, zero_division=zero_division, wide=wide)
        return
    _print_list(objective, wide=wide, as_json=as_json, workspace=workspace)


def _print_list(objective: str | None, *, wide: bool, as_json: bool, workspace: Any) -> None:
    from mmfeat.core.workspace import open_project
    from mmfeat.errors import MmfeatError
    from mmfeat.runs.open import open_run
    from mmfeat.runs.winner.ranking import rank_runs

    rows = rank_runs(objective, workspace=workspace)
    if as_json:
        print_json({"runs": rows})
        return
    if not rows:
        note(f"no runs in {open_project(workspace)[1].runs}; `mmfeat compare` makes some")
        return
    several = len({row["split"] for row in rows if row["split"] is not None}) > 1
    texts = [{**row, "decisions": ",".join(row["decisions"])} for row in rows]
    by_set = any(row["features"] not in (None, "-") for row in rows)
    columns = [c for c in COLUMNS if by_set or c != "features"]
    print_table(
        columns,
        [[row[c] for c in columns] for row in texts],
        droppable=[c for c in DROPPABLE if not (several and c == "split")],
        wide=wide,
    )
    note("nested: tuned, measured on held-out folds; macro_f1 to map: at threshold 0.5")
    try:
        open_run(workspace=workspace, objective=objective)  # which says what a command takes
    except MmfeatError as error:
        note(f"commands need the name of a run: {error}")


def _print_run(document: dict[str, Any], *, zero_division: float, wide: bool) -> None:
    note(
        f"out of fold, decided by {document['decision']}, which was tuned on these rows"
        " (`nested` of tune-thresholds is measured on held-out folds); a ratio 0/0 counts as"
        f" {zero_division:g}"
    )
    note(f"judged by {document['judged_by']}")
    if others := document["decisions"][1:]:
        note(f"also tuned for {', '.join(others)}; choose one with predict --objective")
    for sentence in document["notes"]:
        note(sentence)
    print_table(("metric", "value"), list(document["metrics"].items()))
    if document["per_class"]:
        columns = tuple(document["per_class"][0])
        print_classes(
            document["per_class"], columns, by="f1", every=True, droppable=LEAST, wide=wide
        )
    else:
        note("--per-class shows every label, worst first")
    if (nested := document["nested"]) is not None:
        print_nested(nested["objective"], nested["value"], nested["interval"])
    print(f"run: {document['run']}")
    if nested is None:
        print(f"next: mmfeat tune-thresholds {document['run']} (or submit, or predict)")
    else:
        print(f"next: mmfeat submit {document['run']} (or predict, report, export)")


def _print_difference(difference: RunDifference, *, per_class: bool) -> None:
    """What differs; at the end which of the two is better."""
    if difference.settings:
        rows = [(key, *pair) for key, pair in difference.settings.items()]
        print_table(("setting", *difference.runs), rows)
    else:
        print("no setting differs")
    print()
    shown = difference.per_class if per_class else difference.per_class[:MOST_CLASSES]
    print_table(
        ("label", "support", "F1 of first", "of second", "difference", "95 % interval"),
        [
            (
                row["label"],
                row["support"],
                *(row["f1"] or (None, None)),
                *(row[key] for key in ("difference", "interval")),
            )
            for row in shown
        ],
    )
    if left := len(difference.per_class) - len(shown):
        print(f"… and {left} more labels with smaller differences; --per-class shows them")
    first, second = difference.nested
    print(f"nested {difference.objective}: {first:.4f} and {second:.4f}")
    print_text(difference.verdict())
