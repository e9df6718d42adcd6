"""`mmfeat search`: hyper-parameters of one head; the best trial becomes a run."""

from __future__ import annotations

import math
from typing import Annotated, Unpack

import typer

from mmfeat.config import ThresholdSettings
from mmfeat.errors import counted
from mmfeat.fit.options import FitOptions
from mmfeat_cli.messages import (
    note,
    show_messages,
    stopping_gently,
    without_folds,
    without_repeats,
)
from mmfeat_cli.options import (
    Features,
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

N_SHOWN = 10  # trials


def search(
    run: Annotated[
        str | None,
        typer.Argument(help="Run to start from; by default, --head and the other options."),
    ] = None,
    split: Split = None,
    features: Features = None,
    pairs: Pairs = None,
    trials: Annotated[
        int,
        typer.Option(
            "--trials", min=1, help="Total number of trials, including those of earlier calls."
        ),
    ] = 30,
    objective: Annotated[
        str | None,
        of(
            ThresholdSettings,
            "objective",
            "Objective to maximise: macro-f1, micro-f1 or samples-f1",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.0, help="Seconds after which no new trial begins.")
    ] = math.inf,
    name: Annotated[str | None, typer.Option("--name", help="Name of the search.")] = None,
    track: TrackOption = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
    **options: Unpack[FitOptions],
) -> None:
    """Search the hyper-parameters of a head; repeating the command continues the search."""
    from mmfeat.compare.search.search import search as verb
    from mmfeat.core.workspace import open_project
    from mmfeat.tracking import Tracker

    asked = {"split": split, "features": features, **options}
    given = [key.replace("_", "-") for key, value in asked.items() if value is not None]
    if run is not None and given:
        listed = ", ".join(f"--{flag}" for flag in given)
        raise typer.BadParameter(f"the run {run} determines these settings; leave out {listed}")
    show_messages(quiet=quiet)
    tracker = Tracker(track, open_project(workspace)[1])
    without_folds()
    without_repeats()
    with stopping_gently("this trial") as stopped:
        found = verb(
            run,
            split=split,
            features=names(features),
            settings=settings_pairs(pairs),
            trials=trials,
            timeout=timeout,
            objective=objective,
            name=name,
            workspace=workspace,
            stopped=stopped,
            **options,
        )
    finished = found.finished
    note(f"{counted(len(finished), 'trial')} finished, {len(found.trials) - len(finished)} dropped")
    print_table(
        ("trial", f"nested {found.objective}", *finished[0].settings),
        [(trial.number, trial.value, *trial.settings.values()) for trial in finished[:N_SHOWN]],
    )
    if found.optimism is not None:
        note(
            "the best trial was chosen on the rows it is measured on;"
            f" its score is optimistic by about {found.optimism:+.4f}"
        )
    note(f"run {found.run.name}; next: mmfeat tune-thresholds {found.run.name}")
    values = [trial.value for trial in found.trials]
    tracker.track(found.run, curves={f"search/{found.objective}": values})
