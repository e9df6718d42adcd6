"""`mmfeat import`: a feature store from embeddings that exist already."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat_cli.common import (
    FeatureSet,
    IdCol,
    ImageCol,
    LabelCol,
    LabelCols,
    LabelSep,
    QuietOption,
    RowsPerFile,
    StoreOut,
    StoreSplit,
    TextCol,
    WorkspaceOption,
    names,
    start,
)


def import_(
    table: Annotated[Path, typer.Argument(help="csv, tsv, parquet or jsonl")],
    image: Annotated[Path | None, typer.Option("--image", help="Image embeddings (n, d).")] = None,
    text: Annotated[Path | None, typer.Option("--text", help="Text embeddings (n, d).")] = None,
    prompts: Annotated[
        Path | None, typer.Option("--prompts", help="Embeddings of the labels' prompts (k, d).")
    ] = None,
    split: StoreSplit = None,
    features: FeatureSet = None,
    out: StoreOut = None,
    encoder_name: Annotated[
        str, typer.Option("--encoder-name", help="What made them.")
    ] = "imported",
    rows_per_file: RowsPerFile = None,
    id_col: IdCol = None,
    image_col: ImageCol = None,
    text_col: TextCol = None,
    label_col: LabelCol = None,
    label_sep: LabelSep = None,
    label_cols: LabelCols = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Make a store from embeddings of any encoder, rows aligned with the table."""
    from mmfeat.config import override
    from mmfeat.extract.importing import import_embeddings
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
        prompts=prompts,
        rows_per_file=rows_per_file or 0,
    )
    print(summary)
