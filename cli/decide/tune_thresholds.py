"""`mmfeat tune-thresholds`: per-class thresholds from out-of-fold scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mmfeat.config import ThresholdSettings
from mmfeat.decide.thresholds import OBJECTIVES
from mmfeat_cli.answer import print_forecast, print_judges, print_nested
from mmfeat_cli.messages import show_messages
from mmfeat_cli.options import (
    ForRowsOption,
    JsonOption,
    PerClassOption,
    QuietOption,
    RunArgument,
    WideOption,
    WorkspaceOption,
    of,
)
from mmfeat_cli.tables import print_classes, print_json, print_table, print_text

if TYPE_CHECKING:
    from mmfeat.decide.decision import Decision


def tune_thresholds(
    run: RunArgument = None,
    objective: Annotated[
        str | None,
        of(ThresholdSettings, "objective", "Objective of the thresholds", choices=OBJECTIVES),
    ] = None,
    method: Annotated[
        str | None,
        of(
            ThresholdSettings,
            "method",
            "Method that finds the thresholds, by default that of the objective;"
            " see `mmfeat list methods`",
        ),
    ] = None,
    beta: Annotated[float | None, of(ThresholdSettings, "beta")] = None,
    floor: Annotated[float | None, of(ThresholdSettings, "floor")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Random seed of the bootstrap.")] = 0,
    for_rows: ForRowsOption = None,
    per_class: PerClassOption = False,
    wide: WideOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Choose a threshold per class on out-of-fold scores, with a nested estimate."""
    from mmfeat.core.workspace import open_project
    from mmfeat.runs.open import open_run
    from mmfeat.runs.tune import forecast, tune
    from mmfeat.runs.winner.choose import last_comparison

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
    expected = None if for_rows is None else forecast(found, n_rows=for_rows)
    if as_json:
        told = {} if expected is None else {"forecast": {"rows": for_rows, "interval": expected}}
        print_json({"run": found.name, **decision.to_json(), **told})
        return
    _print_estimates(decision, wide=wide)
    for sentence in decision.notes:
        print_text(sentence)
    if decision.reliability:
        before, after = decision.reliability["before"], decision.reliability["after"]
        print(
            f"calibration: log-loss {before['log_loss']:.4f} -> {after['log_loss']:.4f},"
            f" error {before['calibration_error']:.4f} -> {after['calibration_error']:.4f}"
        )
    print_classes(
        decision.per_class,
        ("label", "support", "threshold", "f1_at_0.5", "f1_tuned", "f1_nested", "spread"),
        by="f1_nested",
        every=per_class,
        droppable=("spread", "f1_tuned"),
        wide=wide,
    )
    print_judges(found)
    print_nested(
        decision.objective, decision.oof["nested"][_key(decision)], decision.intervals["nested"]
    )
    print_forecast(for_rows, expected)
    print(f"run: {found.name}")
    _, space = open_project(workspace)
    chosen = last_comparison(space, {found.name}, objective=decision.objective)
    if chosen is not None and chosen.question.objective != decision.objective:
        print_text(
            f"next: mmfeat compare --objective {decision.objective}, with the options of that by"
            f" {chosen.question.objective} (fits nothing again): another run may be best"
        )
    print(f"next: mmfeat submit {found.name} (or predict, report, export)")


def _print_estimates(decision: Decision, *, wide: bool) -> None:
    """A row for each way to decide, as wide as 80 columns."""
    print(f"{decision.objective} by {decision.method}, decided by {decision.decode}")
    key = _key(decision)
    others = ("macro_f1",) if "at_least" in key else ("macro_f1", "micro_f1", "samples_f1")
    columns = list(dict.fromkeys((key, *others)))
    print_table(
        ("out of fold", *columns, "labels/row", "95 % interval"),
        [
            (
                name,
                *(row[c] for c in columns),
                f"{row['predicted_per_row']:.1f}",
                "{:.4f} to {:.4f}".format(*decision.intervals[name])
                if name in decision.intervals
                else "optimistic",
            )
            for name, row in decision.oof.items()
        ],
        droppable=("samples_f1", "micro_f1"),
        wide=wide,
    )
    print_text(
        f"The interval is a confidence interval of {key} on the whole population of rows. It is"
        " not a forecast for a test set of a given size; --for-rows N gives one. Heads of folds"
        " learn from fewer rows than the final head and are less sure: at_0.5 is lower than what"
        " it will reach, most of all with few rows."
    )
    print(f"optimism (tuned - nested): {decision.optimism:+.4f}")


def _key(decision: Decision) -> str:
    return decision.objective.replace("-", "_")
