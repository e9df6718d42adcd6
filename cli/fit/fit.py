"""`mmfeat fit`: a cross-validated fit of one head and one fusion."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from mmfeat.config import FitSettings
from mmfeat_cli.answer import print_judges
from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import (
    ExcludeLabels,
    Features,
    FoldBy,
    MaxMemoryOption,
    MinPositives,
    NearCopies,
    Pairs,
    QuietOption,
    Split,
    TrackOption,
    Unknown,
    Validation,
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
    head: Annotated[str | None, fitting("head")] = None,
    fusion: Annotated[str | None, fitting("fusion")] = None,
    loss: Annotated[str | None, fitting("loss")] = None,
    folds: Annotated[int | None, fitting("folds", min=2)] = None,
    seed: Annotated[int | None, fitting("seed", min=0)] = None,
    pairs: Pairs = None,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", help="Named set of settings; see `mmfeat list recipes`."),
    ] = None,
    exclude_labels: ExcludeLabels = None,
    min_positives: MinPositives = None,
    near_copies: NearCopies = None,
    unknown: Unknown = None,
    fold_by: FoldBy = None,
    validation: Validation = None,
    max_memory: MaxMemoryOption = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the run; by default made of its settings.")
    ] = None,
    track: TrackOption = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
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
        head=head,
        fusion=fusion,
        loss=loss,
        folds=folds,
        seed=seed,
        exclude_labels=names(exclude_labels) or None,
        min_positives=min_positives,
        near_copies=near_copies,
        unknown=unknown,
        fold_by=fold_by,
        validation=validation,
        max_memory=max_memory,
    )
    metrics = run.metrics
    note(f"run {run.name}: {sum(metrics['seconds'].values()):.1f} s, {metrics['bytes']:,} bytes")
    print_table(("out of fold, threshold 0.5", "value"), list(metrics["oof"]["at_0.5"].items()))
    print_judges(run)
    tracker.track(run)
    note(f"next: mmfeat tune-thresholds {run.name}")
