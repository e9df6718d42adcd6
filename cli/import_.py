"""`mmfeat import`: a feature store from embeddings that exist already."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat_cli.common import QuietOption, WorkspaceOption, names, start


def import_(
    table: Annotated[Path, typer.Argument(help="csv, tsv, parquet or jsonl")],
    image: Annotated[Path | None, typer.Option("--image", help="Image embeddings (n, d).")] = None,
    text: Annotated[Path | None, typer.Option("--text", help="Text embeddings (n, d).")] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Name of the store; default: the table's name.")
    ] = None,
    features: Annotated[
        str | None, typer.Option("--features", help="Name of a feature set of its own.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Path of the store.")] = None,
    encoder_name: Annotated[
        str, typer.Option("--encoder-name", help="What made them.")
    ] = "imported",
    id_col: Annotated[str | None, typer.Option("--id-col")] = None,
    image_col: Annotated[str | None, typer.Option("--image-col")] = None,
    text_col: Annotated[str | None, typer.Option("--text-col")] = None,
    label_col: Annotated[str | None, typer.Option("--label-col")] = None,
    label_sep: Annotated[str | None, typer.Option("--label-sep")] = None,
    label_cols: Annotated[str | None, typer.Option("--label-cols")] = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Make a store from embeddings of any encoder, rows aligned with the table."""
    from mmfeat.config import override
    from mmfeat.importing import import_embeddings
    from mmfeat.tables import read_table

    settings, space = start(workspace, quiet=quiet)
    data = override(
        settings.data,
        id_col=id_col,
        image_col=image_col,
        text_col=text_col,
        label_col=label_col,
        label_sep=label_sep,
        label_cols=names(label_cols) or None,
    )
    summary = import_embeddings(
        read_table(table, data=data),
        image=image,
        text=text,
        out=out or space.store(split or table.stem, features),
        encoder_name=encoder_name,
    )
    print(summary)
