"""The verb `report`: one self-contained HTML page about runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmfeat.core.workspace import open_project
from mmfeat.report.write import ReportOptions, write_report

N_PLOTS, N_THUMBNAILS = ReportOptions.plots, ReportOptions.max_thumbnails


@dataclass(frozen=True, kw_only=True)
class ReportResult:
    """A report: where the page lies, and what it says in one sentence."""

    path: Path
    verdict: str


def report(
    runs: Sequence[str] = (),
    *,
    out: Path | str | None = None,
    figures: Path | str | None = None,
    images: str | None = None,
    plots: int = N_PLOTS,
    max_thumbnails: int = N_THUMBNAILS,
    objective: str | None = None,
    workspace: Path | str | None = None,
) -> ReportResult:
    """Write one HTML page: leaderboard, plots, mistakes, and how to repeat it.

    Parameters
    ----------
    runs
        Names; none: all finished runs that can be compared with the newest.
    out
        Path of the page; None: `report.html` in the workspace.
    figures
        A folder for the plots as PNG and SVG.
    images
        Folder or address of the images, for thumbnails.
    plots, max_thumbnails
        Of how many of the best runs there are plots, and how many pictures there are at most.
    objective
        What the leaderboard is sorted by.

    Raises
    ------
    MmfeatError
        `RunError` where a run is missing or damaged, or where runs are not of one table.
    """
    settings, space = open_project(workspace)
    options = ReportOptions(
        objective=objective or settings.thresholds.objective,
        plots=plots,
        max_thumbnails=max_thumbnails,
        images=images or settings.data.images,
        figures=None if figures is None else Path(figures),
    )
    path = Path(out) if out else space.report
    page = write_report(path, space, names=tuple(runs), options=options)
    return ReportResult(path=path, verdict=page.board.verdict())
