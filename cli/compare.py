"""`mmfeat compare`: every combination of heads, fusions and losses on the same folds."""

from __future__ import annotations

from typing import Annotated

import typer

from mmfeat_cli.common import (
    QuietOption,
    WorkspaceOption,
    fail,
    names,
    note,
    print_table,
    start,
    without_folds,
)


def compare(
    heads: Annotated[str, typer.Option("--heads", help="Comma-separated, or all.")] = "all",
    fusions: Annotated[
        str, typer.Option("--fusions", help="Comma-separated, or all.")
    ] = "image,text,concat",
    losses: Annotated[str, typer.Option("--losses", help="Comma-separated, or all.")] = "bce",
    split: Annotated[str | None, typer.Option("--split", help="Name of the store.")] = None,
    features: Annotated[
        str | None, typer.Option("--features", help="Feature sets to join, comma-separated.")
    ] = None,
    folds: Annotated[int | None, typer.Option("--folds", min=2)] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0)] = None,
    objective: Annotated[
        str | None, typer.Option("--objective", help="What the leaderboard is sorted by.")
    ] = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Fit every sensible combination, tune each, and write leaderboard.csv."""
    from mmfeat.compare import plan_cells, rank, run_cells, write_leaderboard
    from mmfeat.config import override

    settings, space = start(workspace, quiet=quiet)
    options = override(settings.fit, split=split, folds=folds, seed=seed)
    target = objective or settings.thresholds.objective
    cells, skipped = plan_cells(
        options,
        heads=names(heads),
        fusions=names(fusions),
        losses=names(losses),
        features=names(features),
    )
    for reason in skipped:
        note(f"left out: {reason}")
    without_folds()
    rows = rank([row for _, row in run_cells(space, cells, objective=target)])
    if not rows:
        fail(
            "a comparison needs one sensible combination; all were left out; see the reasons above"
        )
    path = space.root / "leaderboard.csv"
    write_leaderboard(path, rows)
    print_table(tuple(rows[0]), [list(row.values()) for row in rows])
    note(f"leaderboard: {path}")
