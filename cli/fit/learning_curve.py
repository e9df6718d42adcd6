"""`mmfeat learning-curve`: what a run reaches with fewer rows, and would reach with more."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from mmfeat.config import FitSettings, ThresholdSettings
from mmfeat.decide.thresholds import OBJECTIVES
from mmfeat_cli.messages import show_messages, without_folds, without_repeats
from mmfeat_cli.options import (
    Features,
    JsonOption,
    MaxMemoryOption,
    Pairs,
    PerClassOption,
    QuietOption,
    RunArgument,
    WorkspaceOption,
    names,
    of,
    settings_pairs,
)
from mmfeat_cli.tables import print_json, print_table, print_text

if TYPE_CHECKING:
    from mmfeat.learning.curve import Gain, LearningCurve

fitting = partial(of, FitSettings)


def learning_curve(
    run: RunArgument = None,
    head: Annotated[str | None, fitting("head", "Head to fit, in place of a run")] = None,
    fusion: Annotated[str | None, fitting("fusion")] = None,
    loss: Annotated[str | None, fitting("loss")] = None,
    features: Features = None,
    pairs: Pairs = None,
    folds: Annotated[int | None, fitting("folds", min=2)] = None,
    seed: Annotated[int | None, fitting("seed", min=0)] = None,
    max_memory: MaxMemoryOption = None,
    points: Annotated[
        int, typer.Option("--points", min=4, max=20, help="Number of sizes on the curve.")
    ] = 6,
    objective: Annotated[
        str | None,
        of(ThresholdSettings, "objective", "Objective that is followed", choices=OBJECTIVES),
    ] = None,
    per_class: PerClassOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Show what a head reaches with fewer rows, and estimate what more rows would give."""
    from mmfeat.learning.learning_curve import learning_curve as verb

    show_messages(quiet=quiet)
    without_folds()
    without_repeats()
    curve = verb(
        run,
        points=points,
        objective=objective,
        features=names(features),
        settings=settings_pairs(pairs) or None,
        workspace=workspace,
        head=head,
        fusion=fusion,
        loss=loss,
        folds=folds,
        seed=seed,
        max_memory=max_memory,
    )
    if as_json:
        print_json({**curve.to_json(), "verdict": curve.verdict})
        return
    _print_points(curve)
    if per_class:
        _print_classes(curve)
    print(f"run: {curve.run}")
    print_text(curve.verdict)


def _print_points(curve: LearningCurve) -> None:
    """A row for each size, those that were measured and those that are forecast."""
    measured = [
        (
            "measured",
            f"{point.n_trained:,.0f}",
            f"{point.n_trained / curve.points[-1].n_trained * curve.n_rows:,.0f}",
            point.value,
            list(point.interval),
            "",
        )
        for point in curve.points
    ]
    forecast = [
        (
            "forecast",
            f"{each.n_trained:,.0f}",
            f"{each.n_rows:,}",
            each.value,
            list(each.interval),
            f"{each.gain.value:+.3f} ({each.gain.interval[0]:.3f} to {each.gain.interval[1]:.3f})",
        )
        for each in curve.forecasts
    ]
    print_table(
        ("", "learned from", "table of", curve.objective, "95 % interval", "more than now"),
        [*measured, *forecast],
    )


def _print_classes(curve: LearningCurve) -> None:
    print()
    print_table(
        ("label", "support", "f1", f"next {curve.n_next:,} rows", "95 % interval"),
        [
            (each.label, each.support, each.values[-1], *_of_gain(each.gain))
            for each in curve.classes
        ],
    )
    print()


def _of_gain(gain: Gain | None) -> tuple[str, str]:
    if gain is None:
        return "flat", "n/a"
    low, high = gain.interval
    return f"{gain.value:+.4f}", f"{low:.4f} to {high:.4f}"
