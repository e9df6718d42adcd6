"""`mmfeat tune-thresholds`: per-class thresholds from out-of-fold scores."""

from __future__ import annotations

from typing import Annotated

import typer

from mmfeat_cli.common import (
    JsonOption,
    QuietOption,
    RunArgument,
    WorkspaceOption,
    note,
    print_json,
    print_table,
    start,
)


def tune_thresholds(
    run: RunArgument = None,
    objective: Annotated[
        str | None, typer.Option("--objective", help="macro-f1, micro-f1 or samples-f1.")
    ] = None,
    method: Annotated[
        str | None, typer.Option("--method", help="Default: the objective's own.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Choose a threshold per class on the out-of-fold scores, with an honest estimate."""
    from mmfeat.config import override
    from mmfeat.runs import find_run
    from mmfeat.tune import tune

    settings, space = start(workspace, quiet=quiet)
    options = override(settings.thresholds, objective=objective, method=method)
    found = find_run(space, run)
    note(f"tuning {found.name} for {options.objective}")
    decision = tune(found.scores(), objective=options.objective, method=options.method, seed=seed)
    found.write_decision(decision)
    document = decision.to_json()
    if as_json:
        print_json({"run": found.name, **document})
        return
    columns = ("macro_f1", "micro_f1", "samples_f1")
    print_table(
        ("out of fold", *columns),
        [(name, *(values[c] for c in columns)) for name, values in document["oof"].items()],
    )
    print()
    fields = ("label", "support", "threshold", "f1_at_0.5", "f1_tuned", "spread")
    print_table(fields, [[row[f] for f in fields] for row in document["per_class"]])
