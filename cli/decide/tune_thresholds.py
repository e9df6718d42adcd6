"""`mmfeat tune-thresholds`: per-class thresholds from out-of-fold scores."""

from __future__ import annotations

from typing import Annotated

import typer

from mmfeat.config import ThresholdSettings
from mmfeat.decide.thresholds import OBJECTIVES
from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import (
    JsonOption,
    PerClassOption,
    QuietOption,
    RunArgument,
    WorkspaceOption,
    of,
)
from mmfeat_cli.tables import print_json, print_table


def tune_thresholds(
    run: RunArgument = None,
    objective: Annotated[
        str | None,
        of(ThresholdSettings, "objective", "What thresholds aim at", choices=OBJECTIVES),
    ] = None,
    method: Annotated[
        str | None,
        of(ThresholdSettings, "method", "See `mmfeat list methods`; else the objective's own"),
    ] = None,
    beta: Annotated[
        float | None, of(ThresholdSettings, "beta", "Of f-beta: above 1 recall counts more")
    ] = None,
    floor: Annotated[
        float | None, of(ThresholdSettings, "floor", "Of precision-at-least and recall-at-least")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the resamples.")] = 0,
    per_class: PerClassOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Choose a threshold per class on the out-of-fold scores, with an honest estimate."""
    from mmfeat.runs.open import open_run
    from mmfeat.runs.tune import tune

    show_messages(quiet=quiet)
    found = open_run(run, objective=objective, workspace=workspace)
    decision = tune(
        found,
        objective=objective,
        method=method,
        beta=beta,
        floor=floor,
        seed=seed,
        workspace=workspace,
    )
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
    if decision.reliability:
        before, after = decision.reliability["before"], decision.reliability["after"]
        print(
            f"calibration: log-loss {before['log_loss']:.4f} -> {after['log_loss']:.4f},"
            f" error {before['calibration_error']:.4f} -> {after['calibration_error']:.4f}"
        )
    if per_class:
        print()
        fields = ("label", "support", "threshold", "f1_at_0.5", "f1_tuned", "f1_nested", "spread")
        worst = sorted(document["per_class"], key=lambda row: _known_first(row["f1_nested"]))
        print_table(fields, [[row[f] for f in fields] for row in worst])
    else:
        note("--per-class shows every label, the worst first")
    print(f"next: mmfeat submit {found.name} (or predict, or report)")


def _known_first(value: float | None) -> tuple[bool, float]:
    return value is None, value or 0.0
