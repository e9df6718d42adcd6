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
    decode: Annotated[
        str | None, typer.Option("--decode", help="thresholds or expected-f1.")
    ] = None,
    empty: Annotated[
        str | None, typer.Option("--empty", help="A row without labels: top1 or blank.")
    ] = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write scores, labels and statuses of every row of a store, decided as `submit` does."""
    from mmfeat.config import override
    from mmfeat.predict import predict_scores, read_statuses, write_predictions
    from mmfeat.runs import find_run

    settings, space = start(workspace, quiet=quiet)
    options = override(settings.submit, split=split, decode=decode, empty=empty)
    found = find_run(space, run)
    note(f"predicting {options.split} with {found.name}")
    scores = predict_scores(found, space, options.split)
    path = out or space.submissions / f"{found.name}-{options.split}-scores.csv"
    write_predictions(
        path,
        scores,
        found.decision(),
        empty=options.empty,
        decode=options.decode,
        label_sep=settings.data.label_sep,
        statuses=read_statuses(found, space, options.split),
    )
    print(path)
