"""`mmfeat predict`: scores and labels for a store, or for a table through stage one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat_cli.common import QuietOption, RunArgument, WorkspaceOption, note, start


def predict(
    run: RunArgument = None,
    split: Annotated[str | None, typer.Option("--split", help="Name of the store.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="csv, parquet or jsonl.")] = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write scores and labels for every row of a store."""
    from mmfeat.predict import predict_scores, write_predictions
    from mmfeat.runs import find_run

    settings, space = start(workspace, quiet=quiet)
    found = find_run(space, run)
    name = split or settings.submit.split
    note(f"predicting {name} with {found.name}")
    scores = predict_scores(found, space, name)
    path = out or space.submissions / f"{found.name}-{name}-scores.csv"
    write_predictions(path, scores, found.decision(), empty=settings.submit.empty)
    print(path)
