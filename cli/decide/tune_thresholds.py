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
        str | None,
        typer.Option(
            "--objective",
            help="macro-f1, micro-f1, samples-f1, f-beta, precision-at-least, recall-at-least.",
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option("--method", help="See `mmfeat list methods`; default: the objective's own."),
    ] = None,
    beta: Annotated[
        float, typer.Option("--beta", help="Of f-beta: above 1 recall counts more.")
    ] = 2.0,
    floor: Annotated[
        float, typer.Option("--floor", help="Of precision-at-least and recall-at-least.")
    ] = 0.9,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the resamples.")] = 0,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Choose a threshold per class on the out-of-fold scores, with an honest estimate."""
    from mmfeat.config import override
    from mmfeat.decide.tune import tune
    from mmfeat.runs.listing import find_run

    settings, space = start(workspace, quiet=quiet)
    options = override(settings.thresholds, objective=objective, method=method)
    found = find_run(space, run)
    note(f"tuning {found.name} for {options.objective}")
    decision = tune(
        found.oof,
        objective=options.objective,
        method=options.method,
        beta=beta,
        floor=floor,
        seed=seed,
    )
    found.write_decision(decision)
    document = decision.to_json()
    if as_json:
        print_json({"run": found.name, **document})
        return
    print(f"{decision.objective} by {decision.method}, decided by {decision.decode}")
    key = decision.objective.replace("-", "_")
    columns = list(dict.fromkeys((key, "macro_f1", "micro_f1", "samples_f1")))
    ranges = {name: f"{low:.4f} to {high:.4f}" for name, (low, high) in decision.intervals.items()}
    print_table(
        ("out of fold", *columns, f"95 % interval of {key}"),
        [(name, *(row[c] for c in columns), ranges[name]) for name, row in decision.oof.items()],
    )
    print(f"optimism (tuned - nested): {decision.optimism:+.4f}")
    for sentence in decision.notes:
        print(sentence)
    before, after = decision.reliability["before"], decision.reliability["after"]
    print(
        f"calibration: log-loss {before['log_loss']:.4f} -> {after['log_loss']:.4f},"
        f" error {before['calibration_error']:.4f} -> {after['calibration_error']:.4f}"
    )
    print()
    fields = ("label", "support", "threshold", "f1_at_0.5", "f1_tuned", "f1_nested", "spread")
    print_table(fields, [[row[f] for f in fields] for row in document["per_class"]])
