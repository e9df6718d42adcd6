"""`mmfeat learning-curve`: what a run reaches with fewer rows, and would reach with more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from mmfeat.config import ThresholdSettings
from mmfeat.decide.thresholds import OBJECTIVES
from mmfeat.fit.options import FitOptions
from mmfeat_cli.messages import show_messages, without_folds, without_repeats
from mmfeat_cli.options import (
    Features,
    JsonOption,
    Pairs,
    PerClassOption,
    QuietOption,
    RunArgument,
    Split,
    WorkspaceOption,
    names,
    of,
    settings_pairs,
)
from mmfeat_cli.tables import print_json, print_table, print_text

if TYPE_CHECKING:
    from mmfeat.learning.curve import Forecast, Gain, LearningCurve, Point


def learning_curve(
    run: RunArgument = None,
    split: Split = None,
    features: Features = None,
    pairs: Pairs = None,
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
    **options: Unpack[FitOptions],
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
        split=split,
        features=names(features),
        settings=settings_pairs(pairs) or None,
        workspace=workspace,
        **options,
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
    whole = curve.points[-1].n_trained
    measured = [
        _row("measured", point, round(point.n_trained / whole * curve.n_rows), "")
        for point in curve.points
    ]
    forecast = [
        _row("forecast", at, at.n_rows, f"{at.gain.value:+.3f} ({_told(at.gain.interval)})")
        for at in curve.forecasts
    ]
    print_text(f"{curve.objective} where heads learn from so many rows of a table")
    print_table(
        ("", "learned", "of table", "estimate", "95 % interval", "more than now"),
        [*measured, *forecast],
    )


def _row(kind: str, at: Point | Forecast, n_rows: int, gain: str) -> tuple[object, ...]:
    return kind, f"{at.n_trained:,.0f}", f"{n_rows:,}", at.value, _told(at.interval), gain


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
    return ("unclear", "n/a") if gain is None else (f"{gain.value:+.3f}", _told(gain.interval))


def _told(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.3f} to {interval[1]:.3f}"
