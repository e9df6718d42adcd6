"""`mmfeat predict`: scores and labels for a store, or for a table through stage one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat_cli.common import QuietOption, RunArgument, WorkspaceOption, note, start
from mmfeat_cli.extract.progress import show_progress


def predict(
    run: RunArgument = None,
    split: Annotated[str | None, typer.Option("--split", help="Name of the store.")] = None,
    table: Annotated[
        Path | None, typer.Option("--table", help="New rows: through stage one first.")
    ] = None,
    images: Annotated[
        str | None, typer.Option("--images", help="Folder or address of the images of --table.")
    ] = None,
    pretrained: Annotated[
        str | None, typer.Option("--pretrained", help="The run's weights, for --table.")
    ] = None,
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
    """Write scores, labels and statuses of every row of a store or table, as `submit` decides."""
    from mmfeat.config import override
    from mmfeat.predict.new_rows import extract_for
    from mmfeat.predict.scores import predict_scores, read_statuses
    from mmfeat.predict.write import write_predictions
    from mmfeat.runs.listing import find_run
    from mmfeat.tables import read_table

    settings, space = start(workspace, quiet=quiet)
    name = split or (table.stem if table else None)
    options = override(settings.submit, split=name, decode=decode, empty=empty)
    found = find_run(space, run)
    if table:
        data = override(settings.data, images=images)
        with show_progress(quiet=quiet) as progress:
            summary = extract_for(
                found,
                read_table(table, data=data),
                images=data.images,
                out=space.store(options.split),
                settings=settings.extract,
                pretrained=pretrained,
                progress=progress,
            )
        note(str(summary))
    note(f"predicting {options.split} with {found.name}")
    scores = predict_scores(found, space, options.split)
    path = out or space.submissions / f"{found.name}-{options.split}-scores.csv"
    write_predictions(
        path,
        scores,
        found.decision,
        empty=options.empty,
        decode=options.decode,
        label_sep=settings.data.label_sep,
        statuses=read_statuses(found, space, options.split),
    )
    print(path)
