"""`mmfeat report`: one HTML page about runs, and their plots."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat.config import DataSettings, ThresholdSettings
from mmfeat.decide.thresholds import OBJECTIVES
from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import QuietOption, WorkspaceOption, of


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", help="Runs to report on; by default all finished runs."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Path of the page; by default report.html in the workspace."),
    ] = None,
    figures: Annotated[
        Path | None, typer.Option("--figures", help="Folder to write the plots to, as PNG and SVG.")
    ] = None,
    images: Annotated[
        str | None,
        of(DataSettings, "images", "Folder or address of the images, for thumbnails"),
    ] = None,
    plots: Annotated[int, typer.Option("--plots", min=0, help="Number of best runs to plot.")] = 10,
    max_thumbnails: Annotated[
        int,
        typer.Option("--max-thumbnails", min=0, help="Maximum number of thumbnails on the page."),
    ] = 150,
    objective: Annotated[
        str | None,
        of(ThresholdSettings, "objective", "Objective that ranks the runs", choices=OBJECTIVES),
    ] = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write one self-contained HTML page: leaderboard, plots, mistakes, commands to repeat it."""
    from mmfeat.report.report import report as verb

    show_messages(quiet=quiet)
    result = verb(
        runs or (),
        out=out,
        figures=figures,
        images=images,
        plots=plots,
        max_thumbnails=max_thumbnails,
        objective=objective,
        workspace=workspace,
    )
    note(result.verdict)
    print(result.path)
