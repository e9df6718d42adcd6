"""`mmfeat import`: a feature store from existing embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Unpack

import typer

from mmfeat.config import ExtractSettings
from mmfeat.errors import ConfigError
from mmfeat.tables.table import TableOptions
from mmfeat_cli.messages import show_messages
from mmfeat_cli.options import (
    FeatureSet,
    QuietOption,
    StoreOut,
    StoreSplit,
    WorkspaceOption,
    of,
)
from mmfeat_cli.tables import print_lines


def import_(
    table: Annotated[Path, typer.Argument(help="Table of the rows: csv, tsv, parquet or jsonl.")],
    image: Annotated[
        Path | None, typer.Option("--image", help="File of image embeddings (n, d).")
    ] = None,
    text: Annotated[
        Path | None, typer.Option("--text", help="File of text embeddings (n, d).")
    ] = None,
    modality: Annotated[
        list[str] | None,
        typer.Option(
            "--modality",
            metavar="NAME=FILE",
            help="File of embeddings (n, d) of any modality; repeatable.",
        ),
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option("--prompts", help="File of the label prompts' embeddings (k, d).")
    ] = None,
    split: StoreSplit = None,
    features: FeatureSet = None,
    out: StoreOut = None,
    encoder_name: Annotated[
        str, typer.Option("--encoder-name", help="Name of the encoder that made the embeddings.")
    ] = "imported",
    rows_per_file: Annotated[
        int | None,
        of(ExtractSettings, "rows_per_file", min=0),
    ] = None,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
    **columns: Unpack[TableOptions],
) -> None:
    """Make a feature store from existing embeddings, whose rows match those of the table."""
    from mmfeat.extract.importing.import_embeddings import import_embeddings

    show_messages(quiet=quiet)
    summary = import_embeddings(
        table,
        image=image,
        text=text,
        modalities=_named_files(modality or ()),
        prompts=prompts,
        split=split,
        features=features,
        out=out,
        encoder_name=encoder_name,
        rows_per_file=rows_per_file or 0,
        workspace=workspace,
        on_table=print,
        **columns,
    )
    print_lines(summary)


def _named_files(texts: Sequence[str]) -> dict[str, str]:
    """Split the texts NAME=FILE of `--modality`."""
    found: dict[str, str] = {}
    for text in texts:
        name, _, file = text.partition("=")
        if not name or not file or name in found:
            raise ConfigError(
                "--modality is NAME=FILE, once per modality",
                f"{text!r} {'names it again' if name in found else 'is not'}",
                "write e.g. --modality audio=audio.npy",
            )
        found[name] = file
    return found
