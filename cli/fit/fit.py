"""`mmfeat fit`: a cross-validated fit of one head and one fusion."""

from __future__ import annotations

from typing import Annotated

import typer

from mmfeat_cli.common import (
    MaxMemoryOption,
    QuietOption,
    TrackOption,
    WorkspaceOption,
    names,
    note,
    print_table,
    settings_pairs,
    start,
)


def fit(
    split: Annotated[str | None, typer.Option("--split", help="Name of the store.")] = None,
    features: Annotated[
        str | None, typer.Option("--features", help="Feature sets to join, comma-separated.")
    ] = None,
    head: Annotated[str | None, typer.Option("--head", help="See `mmfeat list heads`.")] = None,
    fusion: Annotated[
        str | None, typer.Option("--fusion", help="See `mmfeat list fusions`.")
    ] = None,
    loss: Annotated[str | None, typer.Option("--loss", help="See `mmfeat list losses`.")] = None,
    folds: Annotated[int | None, typer.Option("--folds", min=2)] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0)] = None,
    pairs: Annotated[
        list[str] | None, typer.Option("--set", help="An option of the head: key=value.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", help="See `mmfeat list recipes`.")
    ] = None,
    max_memory: MaxMemoryOption = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the run.")] = None,
    track: TrackOption = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Stage two: fit a head across folds, keep its out-of-fold scores, refit on all rows."""
    from mmfeat.config import override
    from mmfeat.fit.plan import plan_run
    from mmfeat.fit.run_fit import fit_run
    from mmfeat.fit.training_data import load_training
    from mmfeat.tracking import Tracker

    settings, space = start(workspace, quiet=quiet)
    options = override(
        settings.fit,
        split=split,
        head=head,
        fusion=fusion,
        loss=loss,
        folds=folds,
        seed=seed,
        max_memory=max_memory,
    )
    tracker = Tracker(track, space)
    config = plan_run(
        options,
        features=names(features),
        settings=settings_pairs(pairs or []),
        recipe=recipe,
        workspace=space,
    )
    training = load_training(space, config.split, config.features, config.max_memory)
    run = fit_run(space, config, training, name=name)
    metrics = run.metrics
    note(f"run {run.name}: {sum(metrics['seconds'].values()):.1f} s, {metrics['bytes']:,} bytes")
    print_table(("out of fold, threshold 0.5", "value"), list(metrics["oof"]["at_0.5"].items()))
    tracker.track(run)
