"""`mmfeat compare`: every combination of heads, fusions and losses on the same folds."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from mmfeat_cli.common import (
    MaxMemoryOption,
    QuietOption,
    RayAddress,
    TrackOption,
    WorkspaceOption,
    fail,
    names,
    note,
    print_table,
    start,
    without_folds,
)
from mmfeat_cli.compare.board import show_cells


def compare(
    heads: Annotated[str | None, typer.Option("--heads", help="Comma-separated, or all.")] = None,
    fusions: Annotated[
        str | None, typer.Option("--fusions", help="Comma-separated, or all.")
    ] = None,
    losses: Annotated[
        str | None, typer.Option("--losses", help="Comma-separated, or all; for heads with one.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="Runs of each cell, each on folds anew.")
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="Name of the store.")] = None,
    features: Annotated[
        str | None, typer.Option("--features", help="Feature sets to join, comma-separated.")
    ] = None,
    folds: Annotated[int | None, typer.Option("--folds", min=2)] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="The first seed.")] = None,
    objective: Annotated[
        str | None, typer.Option("--objective", help="What the leaderboard is sorted by.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=0, help="Cells side by side; 0: auto.")
    ] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="local or ray.")] = None,
    ray_address: RayAddress = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help="Stop in time: 90s, 10m or 1.5h.")
    ] = None,
    max_memory: MaxMemoryOption = None,
    track: TrackOption = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Fit every sensible combination, tune each, and write leaderboard.csv."""
    from mmfeat.compare import describe, plan_comparison, run_cells, seconds_of
    from mmfeat.compare.leaderboard import make_leaderboard, write_leaderboard
    from mmfeat.config import override
    from mmfeat.tracking import Tracker

    settings, space = start(workspace, quiet=quiet)
    options = override(settings.fit, split=split, folds=folds, seed=seed, max_memory=max_memory)
    asked = override(
        settings.compare,
        heads=names(heads) or None,
        fusions=names(fusions) or None,
        losses=names(losses) or None,
        seeds=seeds,
        jobs=jobs,
        engine=engine,
        ray_address=ray_address,
        budget=budget,
    )
    tracker = Tracker(track, space)
    target = objective or settings.thresholds.objective
    plan = plan_comparison(
        options,
        heads=asked.heads,
        fusions=asked.fusions,
        losses=asked.losses,
        seeds=asked.seeds,
        features=names(features),
    )
    for cell, reason in plan.skipped:
        note(f"left out: {cell}: {reason}")
    without_folds()
    with show_cells(len(plan.cells), objective=target, quiet=quiet) as report:
        outcome = run_cells(
            space,
            plan.cells,
            objective=target,
            engine=asked.engine,
            jobs=asked.jobs,
            ray_address=asked.ray_address,
            budget=seconds_of(asked.budget) if asked.budget else math.inf,
            report=report,
        )
    for config, reason in outcome.left_out:
        note(f"left out: {describe(config)}: {reason}")
    if not outcome.runs:
        fail("a comparison needs one finished cell; all were left out; see the reasons above")
    board = make_leaderboard(outcome.runs, objective=target)
    write_leaderboard(space.leaderboard, board)
    for run in outcome.runs:
        tracker.track(run)
    rows = [
        (
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
        )
        for entry in board.entries
    ]
    print_table(COLUMNS, rows)
    print(board.verdict())
    note(f"leaderboard: {space.leaderboard}")


COLUMNS = (
    "head",
    "fusion",
    "loss",
    "at 0.5",
    "tuned",
    "nested",
    "95 % interval",
    "to best",
    "95 % interval",
    "tied",
    "seconds",
    "bytes",
    "peak MiB",
)


def _with_deviation(value: float, deviation: float | None) -> str:
    return f"{value:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")


def _mebibytes(size: int | None) -> str:
    return "n/a" if size is None else f"{size / 2**20:.0f}"
