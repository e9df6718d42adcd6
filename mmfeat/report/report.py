"""The verb `report`: compare runs, plot the best, show their errors, in one HTML page."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from mmfeat.compare.board.leaderboard import add_stage_one, make_leaderboard
from mmfeat.config import USUAL_THRESHOLDS, Settings, ThresholdSettings
from mmfeat.core.checks import check_arguments
from mmfeat.core.files import check_output, writing
from mmfeat.core.workspace import Workspace, inputs_of, open_project
from mmfeat.errors import ConfigError
from mmfeat.metrics.known import known_cells
from mmfeat.metrics.sets import labels_per_row
from mmfeat.report.curves import read_curves
from mmfeat.report.facts import Drawing, EntryFacts, RunFacts
from mmfeat.report.gallery import make_gallery
from mmfeat.report.learning.section import find_more_rows
from mmfeat.report.page import Page, distinct, render
from mmfeat.report.plots import PLOTS, draw_all
from mmfeat.report.relatives.section import find_relatives
from mmfeat.report.select import select_runs
from mmfeat.report.svg import inline, write_figure
from mmfeat.runs.run import Run
from mmfeat.types import OutOfFold

MOST_REASONS = 5  # that are told, why a run is left out
SUFFIXES = (".html", ".htm")

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """The content of the page.

    Plots are drawn for the best `plots` entries. `images` is the folder or address of at most
    `max_thumbnails` pictures (None: no pictures). With `figures`, every plot is also written to
    that folder, as PNG and SVG.
    """

    objective: str | None = None  # None: that of the last comparison
    thresholds: ThresholdSettings = USUAL_THRESHOLDS  # its objective where nothing was compared
    plots: int = 10
    max_thumbnails: int = 150
    images: Path | str | None = None
    figures: Path | None = None


N_PLOTS, N_THUMBNAILS = ReportOptions.plots, ReportOptions.max_thumbnails


@dataclass(frozen=True, kw_only=True)
class ReportResult:
    """A report: the path of the page, and its verdict in one sentence."""

    path: Path
    verdict: str


@check_arguments
def report(
    runs: Sequence[str] = (),
    *,
    out: Path | str | None = None,
    figures: Path | str | None = None,
    images: Path | str | None = None,
    plots: int = N_PLOTS,
    max_thumbnails: int = N_THUMBNAILS,
    objective: str | None = None,
    workspace: Path | str | None = None,
) -> ReportResult:
    """Write one HTML page: leaderboard, plots, mistakes, and the commands that reproduce it.

    Parameters
    ----------
    runs
        Names; none: all finished runs of the table, feature sets and folds of the last
        comparison, or of the newest run where nothing was compared.
    out
        Path of the page; None: `report.html` in the workspace.
    figures
        A folder for the plots as PNG and SVG.
    images
        Folder or address of the images, for thumbnails.
    plots, max_thumbnails
        Number of best entries with plots, and greatest number of pictures.
    objective
        The objective that sorts the leaderboard; None: that of the last comparison.

    Raises
    ------
    MmfeatError
        `RunError` if a run is missing or damaged, or if the runs are not of one table.
    """
    settings, space = open_project(workspace)
    options = ReportOptions(
        objective=objective,
        thresholds=settings.thresholds,
        plots=plots,
        max_thumbnails=max_thumbnails,
        images=images or settings.data.images,
        figures=None if figures is None else Path(figures),
    )
    path = Path(out) if out else space.report
    if path.exists() and path.is_file() and path.suffix not in SUFFIXES:
        raise ConfigError(
            f"a report only overwrites a file of the kind {' and '.join(SUFFIXES)}",
            f"{path} exists and has another suffix",
            "choose another --out, e.g. report.html",
        )
    check_output(path, inputs_of(settings))
    page = write_report(path, space, names=tuple(runs), options=options)
    return ReportResult(path=path, verdict=page.board.verdict())


def write_report(
    path: Path, workspace: Workspace, *, names: Sequence[str] = (), options: ReportOptions
) -> Page:
    """Write the report of the runs `names`, or of all, to `path`; return the page.

    Raises `RunError` if a named run is missing or damaged, if the runs are not of one table, and
    if there is none.
    """
    selected = select_runs(workspace, names, objective=options.objective)
    runs, left_out = selected.runs, selected.left_out
    by_reason: dict[str, list[str]] = {}
    for told in left_out:
        name, _, reason = told.partition(": ")
        by_reason.setdefault(reason, []).append(name)
    for reason, alike in list(by_reason.items())[:MOST_REASONS]:
        which = alike[0] if len(alike) == 1 else f"{len(alike)} runs, e.g. {alike[0]}"
        log.warning("left out: %s: %s", which, reason)
    if len(by_reason) > MOST_REASONS:
        log.warning("the page lists every run that is left out, with its reason")
    objective = options.objective or selected.objective or options.thresholds.objective
    found = {run.name: run for run in runs}
    facts = {run.name: RunFacts.read(run) for run in runs}
    board = make_leaderboard(runs, objective=objective, thresholds=options.thresholds)
    board = add_stage_one(board, workspace, runs[0].config.split)
    entries = []
    for rank, entry in enumerate(board.entries, start=1):
        drawn = _drawings(found[entry.runs[0]], rank, options) if rank <= options.plots else ()
        members = tuple(facts[name] for name in entry.runs)
        entries.append(EntryFacts(rank=rank, entry=entry, runs=members, drawings=drawn))
    best = found[board.entries[0].runs[0]]
    provenances = [each.provenance for each in facts.values()]
    page = Page(
        title=_title(workspace.root.resolve()),
        board=board,
        entries=tuple(entries),
        overview=_overview(best.oof, n_entries=len(entries), n_runs=len(runs)),
        gallery=make_gallery(
            best, workspace, images=options.images, max_thumbnails=options.max_thumbnails
        ),
        relatives=find_relatives(
            best, workspace, images=options.images, max_thumbnails=options.max_thumbnails
        ),
        more_rows=find_more_rows(best, workspace, replace(options.thresholds, objective=objective)),
        stores=distinct(store for document in provenances for store in document["stores"]),
        versions=distinct(document.get("versions", {}) for document in provenances),
        left_out=left_out,
    )
    with writing(path) as partial:
        partial.write_text(render(page), encoding="utf-8", newline="\n")
    return page


def _drawings(run: Run, rank: int, options: ReportOptions) -> tuple[Drawing, ...]:
    """Every plot of a run, inlined; also written as files if `options.figures` is given."""
    drawings = []
    for name, figure in draw_all(read_curves(run)).items():
        plot = PLOTS[name]
        if options.figures is not None:
            write_figure(figure, options.figures / run.name / name)
        svg = inline(figure, title=f"{plot.title}: {plot.about}", name=f"{name}-{rank}")
        drawings.append(Drawing(title=plot.title, about=plot.about, svg=Markup(svg)))
    return tuple(drawings)


def _title(root: Path) -> str:
    """The name of the workspace; the name of the project if the workspace has the default name."""
    return root.parent.name if root.name == Settings().workspace else root.name


def _overview(scores: OutOfFold, *, n_entries: int, n_runs: int) -> tuple[tuple[str, str], ...]:
    known = known_cells(scores.targets)
    unknown = () if known is None else ((f"{1 - known.mean():.1%}", "of the labels unknown"),)
    return (
        (f"{len(scores.ids):,}", "rows"),
        (f"{len(scores.labels):,}", "labels"),
        *unknown,
        (f"{labels_per_row(scores.targets, scores.targets):.2f}", "labels per row"),
        (f"{n_entries:,}", "combinations"),
        (f"{n_runs:,}", "runs"),
    )
