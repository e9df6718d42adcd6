"""`mmfeat report`: one HTML page about runs, and their plots."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat_cli.common import QuietOption, WorkspaceOption, note, start


def report(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN]...", help="Default: all finished runs.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Default: report.html in the workspace.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option("--figures", help="Folder for the plots as PNG and SVG.")
    ] = None,
    images: Annotated[
        str | None,
        typer.Option("--images", help="Folder or address of the images, for thumbnails."),
    ] = None,
    plots: Annotated[
        int, typer.Option("--plots", min=0, help="So many of the best get plots.")
    ] = 10,
    max_thumbnails: Annotated[
        int, typer.Option("--max-thumbnails", min=0, help="Pictures on the page, at most.")
    ] = 150,
    objective: Annotated[
        str | None, typer.Option("--objective", help="What the leaderboard is sorted by.")
    ] = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write one self-contained HTML page: leaderboard, plots, mistakes, how to repeat it."""
    from mmfeat.report import ReportOptions, write_report

    settings, space = start(workspace, quiet=quiet)
    options = ReportOptions(
        objective=objective or settings.thresholds.objective,
        plots=plots,
        max_thumbnails=max_thumbnails,
        images=images or settings.data.images,
        figures=figures,
    )
    path = out or space.report
    page = write_report(path, space, names=tuple(runs or ()), options=options)
    note(page.board.verdict())
    print(path)
