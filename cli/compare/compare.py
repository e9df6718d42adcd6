"""`mmfeat compare`: every combination of heads, fusions and losses on the same folds."""

from __future__ import annotations

import shlex
from functools import partial
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from mmfeat.compare.quick.race import PLACES
from mmfeat.compare.run import ENGINES
from mmfeat.config import CompareSettings, ThresholdSettings
from mmfeat.decide.thresholds import OBJECTIVES
from mmfeat.errors import ConfigError
from mmfeat.fit.options import FoldOptions
from mmfeat.runs.config import name_sets
from mmfeat_cli.answer import print_forecast, print_judges, print_labels_per_row, print_nested
from mmfeat_cli.compare.board import show_cells
from mmfeat_cli.messages import show_messages, without_folds, without_repeats
from mmfeat_cli.options import (
    SPEED,
    DryRunOption,
    ForRowsOption,
    JsonOption,
    QuietOption,
    RayAddress,
    Split,
    TrackOption,
    WideOption,
    WorkspaceOption,
    names,
    of,
)
from mmfeat_cli.tables import print_json, print_lines, print_table, print_text

if TYPE_CHECKING:
    from mmfeat.compare.board.leaderboard import Leaderboard

cells = partial(of, CompareSettings)
fast = partial(of, CompareSettings, rich_help_panel=SPEED)
CompareFeatures = Annotated[
    list[str] | None,
    typer.Option(
        "--features",
        help="Feature set to compare, repeatable; comma-separated names are joined.",
    ),
]


def compare(
    heads: Annotated[list[str] | None, cells("heads")] = None,
    fusions: Annotated[list[str] | None, cells("fusions")] = None,
    losses: Annotated[list[str] | None, cells("losses")] = None,
    seeds: Annotated[int | None, cells("seeds", min=1)] = None,
    split: Split = None,
    features: CompareFeatures = None,
    objective: Annotated[
        str | None,
        of(
            ThresholdSettings,
            "objective",
            "Objective that ranks the leaderboard",
            choices=OBJECTIVES,
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        fast("jobs", "Number of cells fitted in parallel; 0 chooses it automatically", min=0),
    ] = None,
    engine: Annotated[
        str | None, fast("engine", "Engine that fits the cells", choices=ENGINES)
    ] = None,
    ray_address: RayAddress = None,
    budget: Annotated[
        str | None, fast("budget", "Time limit of the comparison, e.g. 90s, 10m or 1.5h")
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Compare a sketch: some rows, few numbers, one fit a cell; kept in sketch/.",
            rich_help_panel=SPEED,
        ),
    ] = False,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="End with a run that averages the others.")
    ] = False,
    for_rows: ForRowsOption = None,
    dry_run: DryRunOption = False,
    track: TrackOption = None,
    workspace: WorkspaceOption = None,
    wide: WideOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    **options: Unpack[FoldOptions],
) -> None:
    """Fit and tune every combination of heads, fusions and losses; write leaderboard.csv."""
    from mmfeat.compare.compare import compare as verb
    from mmfeat.compare.dry_run import forecast_compare
    from mmfeat.core.workspace import open_project
    from mmfeat.runs.run import Run
    from mmfeat.runs.tune import forecast
    from mmfeat.tracking import Tracker

    show_messages(quiet=quiet)
    without_folds()
    without_repeats()
    settings, space = open_project(workspace)
    if dry_run and quick:
        raise ConfigError(
            "--dry-run tells of a whole comparison",
            "--quick is given, too",
            "leave out one of them",
        )
    if dry_run:
        expected_work = forecast_compare(
            split,
            heads=names(heads) or None,
            fusions=names(fusions) or None,
            losses=names(losses) or None,
            seeds=seeds,
            features=features or (),
            workspace=workspace,
            **options,
        )
        print_lines(expected_work)
        return
    tracker = Tracker(track, space)
    board = verb(
        split,
        heads=names(heads) or None,
        fusions=names(fusions) or None,
        losses=names(losses) or None,
        seeds=seeds,
        features=features or (),
        objective=objective,
        jobs=jobs,
        engine=engine,
        ray_address=ray_address,
        budget=budget,
        quick=quick,
        ensemble=ensemble,
        workspace=workspace,
        show=lambda n_cells, target: show_cells(n_cells, objective=target, quiet=quiet),
        **options,
    )
    if board.sketch:
        space = space.sketch
    for entry in board.entries:
        for name in entry.runs:
            tracker.track(Run(space.run(name)))
    best = Run(space.run(board.entries[0].runs[0]))
    expected = (
        None if for_rows is None else forecast(best, n_rows=for_rows, objective=board.objective)
    )
    if as_json:
        told = {} if expected is None else {"forecast": {"rows": for_rows, "interval": expected}}
        print_json({"best": best.name, **board.to_json(), **told})
        return
    if not board.sketch:
        print_judges(best)
    _print_board(board, wide=wide)
    if not board.sketch:
        print_labels_per_row(best, board.objective)
    print_forecast(for_rows, expected)
    if board.sketch:
        print_text(f"next: {_in_full(board)}")
    elif settings.submit.sample:
        print(f"next: mmfeat submit {best.name} (or predict, report, export)")
    else:
        print("next: mmfeat report, mmfeat predict, or mmfeat export")


COLUMNS = (
    "head",
    "fusion",
    "loss",
    "at 0.5",
    "tuned",
    "nested",
    "95 % interval",
    "to best",
    "95 % to best",
    "tied",
    "seconds",
    "bytes",
    "peak MiB",
    "run",
)
STAGE_ONE = ("features", "encoder", "numbers", "rows", "bytes", "seconds", "device")
DROPPABLE = (
    *("run", "peak MiB", "bytes", "seconds", "tuned", "95 % to best", "at 0.5", "loss"),
    "95 % interval",
)


def _print_board(board: Leaderboard, *, wide: bool) -> None:
    """The entries best first; at the end the best run and what to do with it."""
    by_set = len(board.feature_sets) > 1
    rows = [
        (
            *([name_sets(entry.features)] if by_set else []),
            entry.head,
            entry.fusion,
            entry.loss or "-",
            entry.at_half,
            entry.tuned,
            _with_deviation(entry.nested, entry.deviation),
            f"{entry.interval[0]:.4f} to {entry.interval[1]:.4f}",
            f"{entry.difference:+.4f}",
            f"{entry.difference_interval[0]:+.4f} to {entry.difference_interval[1]:+.4f}",
            "yes" if entry.tied else "no",
            f"{entry.seconds:.1f}",
            entry.bytes,
            _mebibytes(entry.peak_memory),
            " ".join(entry.runs),
        )
        for entry in board.entries
    ]
    columns = ("features", *COLUMNS) if by_set else COLUMNS
    print_table(columns, rows, droppable=DROPPABLE, wide=wide)
    if by_set:
        _print_stage_one(board, wide=wide)
    print_text(board.verdict())
    if len({len(entry.runs) for entry in board.entries}) > 1:
        print_text(
            "some entries are one run, others the mean of several seeds; with the same --seeds"
            " for all, none is ahead by a lucky seed"
        )
    if board.sketch:
        print_text("only the order counts: the same heads reach more when they learn from all rows")
        return
    if board.choice is not None:
        print_text(board.choice.describe(board.objective))
    if board.same_labels is not None:
        warning = "" if board.same_labels.is_beaten else "warning: "
        print_text(warning + board.same_labels.describe(board.objective))
    best = board.entries[0]
    print(f"best: {best.runs[0]}" + (f", of {len(best.runs)} seeds" if best.runs[1:] else ""))
    print_nested(board.objective, best.nested, best.interval)


def _in_full(board: Leaderboard) -> str:
    """The command that compares the first entries of a sketch on all rows."""
    first = board.entries[:PLACES]
    asked = {"heads": [entry.head for entry in first], "fusions": [e.fusion for e in first]}
    words = [f"--{key} {','.join(dict.fromkeys(values))}" for key, values in asked.items()]
    if len(board.feature_sets) > 1 or any(board.feature_sets):
        sets = dict.fromkeys(",".join(entry.features) for entry in first)
        words += [f"--features {shlex.quote(name)}" for name in sets]
    return " ".join(["mmfeat compare", *words])


def _print_stage_one(board: Leaderboard, *, wide: bool) -> None:
    """What each of the compared feature sets takes."""
    rows = [
        (
            name_sets(each.features),
            ", ".join(each.encoders),
            ", ".join(f"{modality} {width}" for modality, width in each.widths.items()),
            ", ".join(f"{count:,}" for count in each.n_rows),
            f"{each.bytes_per_1000:,}",
            _measured(each.seconds_per_1000),
            each.device or "-",
        )
        for each in board.stage_one
    ]
    print()
    print("what the features cost in stage one; bytes and seconds are those of 1,000 rows")
    print_table(STAGE_ONE, rows, droppable=("device", "rows", "numbers"), wide=wide)
    print()


def _with_deviation(value: float, deviation: float | None) -> str:
    return f"{value:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")


def _measured(seconds: float | None) -> str:
    return "not measured" if seconds is None else f"{seconds:.2f}"


def _mebibytes(size: int | None) -> str:
    return "n/a" if size is None else f"{size / 2**20:.0f}"
