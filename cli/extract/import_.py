"""`mmfeat import`: a feature store from existing embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mmfeat.errors import ConfigError
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
    modality: Annotated[
        list[str] | None,
        typer.Option(
            "--modality", metavar="NAME=FILE", help="Embeddings (n, d) of any modality; repeatable."
        ),
    ] = None,
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
        _sources(image=image, text=text, others=modality or ()),
        out=out or space.store(split or table.stem, features),
        encoder_name=encoder_name,
        prompts=prompts,
        rows_per_file=rows_per_file or 0,
    )
    print(summary)


def _sources(*, image: Path | None, text: Path | None, others: Sequence[str]) -> dict[str, Path]:
    """Collect the files by modality from the flags."""
    flags = {"image": image, "text": text}
    found = {name: path for name, path in flags.items() if path is not None}
    for other in others:
        name, _, file = other.partition("=")
        if not name or not file or name in found:
            raise ConfigError(
                "--modality is NAME=FILE, once per modality",
                f"{other!r} {'names it again' if name in found else 'is not'}",
                "write e.g. --modality audio=audio.npy",
            )
        found[name] = Path(file)
    return found
