"""`mmfeat fit`: a cross-validated fit of one head and one fusion."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from mmfeat.config import FitSettings
from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import (
    ExcludeLabels,
    Features,
    MaxMemoryOption,
    MinPositives,
    Pairs,
    QuietOption,
    Split,
    TrackOption,
    WorkspaceOption,
    names,
    of,
    settings_pairs,
)
from mmfeat_cli.tables import print_table

fitting = partial(of, FitSettings)


def fit(
    split: Split = None,
    features: Features = None,
    head: Annotated[str | None, fitting("head", "See `mmfeat list heads`")] = None,
    fusion: Annotated[str | None, fitting("fusion", "See `mmfeat list fusions`")] = None,
    loss: Annotated[str | None, fitting("loss", "See `mmfeat list losses`")] = None,
    folds: Annotated[int | None, fitting("folds", "Number of folds", min=2)] = None,
    seed: Annotated[int | None, fitting("seed", "Of folds and heads", min=0)] = None,
    pairs: Pairs = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", help="See `mmfeat list recipes`.")
    ] = None,
    exclude_labels: ExcludeLabels = None,
    min_positives: MinPositives = None,
    max_memory: MaxMemoryOption = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the run.")] = None,
    track: TrackOption = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Stage two: fit a head across folds, keep its out-of-fold scores, refit on all rows."""
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
        head=head,
        fusion=fusion,
        loss=loss,
        folds=folds,
        seed=seed,
        exclude_labels=names(exclude_labels) or None,
        min_positives=min_positives,
        max_memory=max_memory,
    )
    metrics = run.metrics
    note(f"run {run.name}: {sum(metrics['seconds'].values()):.1f} s, {metrics['bytes']:,} bytes")
    print_table(("out of fold, threshold 0.5", "value"), list(metrics["oof"]["at_0.5"].items()))
    tracker.track(run)
    note(f"next: mmfeat tune-thresholds {run.name}")
