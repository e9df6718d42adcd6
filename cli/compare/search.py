"""`mmfeat search`: hyper-parameters of one head; the best trial becomes a run."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from mmfeat_cli.common import (
    QuietOption,
    TrackOption,
    WorkspaceOption,
    names,
    note,
    print_table,
    settings_pairs,
    start,
    stopping_gently,
    without_folds,
    without_repeats,
)

SHOWN = 10


def search(
    run: Annotated[
        str | None, typer.Argument(help="A run to start from; left out: --head and the like.")
    ] = None,
    head: Annotated[str | None, typer.Option("--head", help="See `mmfeat list heads`.")] = None,
    fusion: Annotated[
        str | None, typer.Option("--fusion", help="See `mmfeat list fusions`.")
    ] = None,
    loss: Annotated[str | None, typer.Option("--loss", help="See `mmfeat list losses`.")] = None,
    split: Annotated[str | None, typer.Option("--split", help="Name of the store.")] = None,
    features: Annotated[
        str | None, typer.Option("--features", help="Feature sets to join, comma-separated.")
    ] = None,
    folds: Annotated[int | None, typer.Option("--folds", min=2)] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0)] = None,
    pairs: Annotated[
        list[str] | None, typer.Option("--set", help="An option to keep as it is: key=value.")
    ] = None,
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="In all, those of earlier calls counted.")
    ] = 30,
    objective: Annotated[
        str | None, typer.Option("--objective", help="macro-f1, micro-f1 or samples-f1.")
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.0, help="Seconds after which no trial begins.")
    ] = math.inf,
    name: Annotated[str | None, typer.Option("--name", help="Name of the search.")] = None,
    track: TrackOption = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Search the options of a head out of fold; the same command again goes on."""
    from dataclasses import replace

    from mmfeat.compare.search import fit_best, optimism, plan_search, ranked, run_trials
    from mmfeat.config import override
    from mmfeat.fit.plan import plan_run
    from mmfeat.fit.training_data import load_training
    from mmfeat.runs.listing import find_run
    from mmfeat.tracking import Tracker

    settings, space = start(workspace, quiet=quiet)
    flags = {"head": head, "fusion": fusion, "loss": loss, "split": split, "folds": folds}
    given = [
        f"--{flag}"
        for flag, value in {**flags, "features": features, "seed": seed}.items()
        if value is not None
    ]
    if run is None:
        begin = plan_run(override(settings.fit, **flags, seed=seed), features=names(features))
    elif given:
        raise typer.BadParameter(f"the run {run} says what it is; leave out {', '.join(given)}")
    else:
        begin = find_run(space, run).config
    fixed = settings_pairs(pairs or [])
    tracker = Tracker(track, space)
    plan = plan_search(
        replace(begin, settings={**begin.settings, **fixed}),
        objective=objective or settings.thresholds.objective,
        fixed=fixed,
    )
    training = load_training(space, begin.split, begin.features, begin.max_memory)
    without_folds()
    without_repeats()
    with stopping_gently("this trial") as stopped:
        found = run_trials(
            space, plan, training, trials=trials, name=name, timeout=timeout, stopped=stopped
        )
        if stopped():
            raise KeyboardInterrupt
    best = fit_best(space, plan, training, found, name=name)
    finished = ranked(found)
    note(f"{len(finished)} trials finished, {len(found) - len(finished)} dropped")
    print_table(
        ("trial", f"nested {plan.objective}", *plan.space),
        [(trial.number, trial.value, *trial.settings.values()) for trial in finished[:SHOWN]],
    )
    if (excess := optimism(found)) is not None:
        note(f"the best was chosen on the rows it is measured on; optimism about {excess:+.4f}")
    note(f"run {best.name}; next: mmfeat tune-thresholds {best.name}")
    values = [trial.value for trial in found]
    tracker.track(best, curves={f"search/{plan.objective}": values})
