"""`mmfeat fit`: a cross-validated fit of one head and one fusion."""

from __future__ import annotations

from typing import Annotated, Unpack

import typer

from mmfeat.fit.options import FitOptions
from mmfeat_cli.answer import print_judges
from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import (
    Features,
    Pairs,
    QuietOption,
    Split,
    TrackOption,
    WorkspaceOption,
    names,
    settings_pairs,
)
from mmfeat_cli.tables import print_table


def fit(
    split: Split = None,
    features: Features = None,
    pairs: Pairs = None,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", help="Named set of settings; see `mmfeat list recipes`."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the run; by default made of its settings.")
    ] = None,
    track: TrackOption = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
    **options: Unpack[FitOptions],
) -> None:
    """Fit a head with cross-validation, keep its out-of-fold scores, and refit on all rows."""
    from mmfeat.core.workspace import open_project
    from mmfeat.fit.fit import fit as verb
    from mmfeat.tracking import Tracker

    show_messages(quiet=quiet)
    tracker = Tracker(track, open_project(workspace)[1])
    run = verb(
        split,
        features=names(features),
        settings=settings_pairs(pairs),
        recipe=recipe,
        name=name,
        workspace=workspace,
        **options,
    )
    metrics = run.metrics
    note(f"run {run.name}: {sum(metrics['seconds'].values()):.1f} s, {metrics['bytes']:,} bytes")
    print_table(("out of fold, threshold 0.5", "value"), list(metrics["oof"]["at_0.5"].items()))
    print_judges(run)
    tracker.track(run)
    note(f"next: mmfeat tune-thresholds {run.name}")
