"""`mmfeat convert`: a data set of another tool becomes tables, pictures and an mmfeat.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat.convert import FORMATS
from mmfeat.errors import counted
from mmfeat_cli.help.completion import one_of
from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import DATA, OUTPUT, QuietOption


def convert(
    source: Annotated[
        Path,
        typer.Argument(metavar="SOURCE", help="File or folder of COCO, Label Studio, datasets, …"),
    ],
    to: Annotated[Path, typer.Argument(metavar="TO", help="Folder to write.")],
    format: Annotated[
        str | None,
        typer.Option(
            "--from",
            help=f"Format: {', '.join(FORMATS)}; by default as the content says.",
            autocompletion=one_of(tuple(FORMATS)),
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Folder that names of pictures are relative to."),
    ] = None,
    id_col: Annotated[
        str | None,
        typer.Option("--id-col", help="Column or field of the ids.", rich_help_panel=DATA),
    ] = None,
    text_col: Annotated[
        str | None,
        typer.Option("--text-col", help="Column or field of the captions.", rich_help_panel=DATA),
    ] = None,
    label_col: Annotated[
        str | None,
        typer.Option("--label-col", help="Column or field of the labels.", rich_help_panel=DATA),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace a folder that convert wrote.", rich_help_panel=OUTPUT
        ),
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Write a data set of another tool as tables, pictures and an mmfeat.toml."""
    from mmfeat.convert.convert import convert as verb

    show_messages(quiet=quiet)
    found = verb(
        source,
        to,
        format=format,
        images=images,
        id_col=id_col,
        text_col=text_col,
        label_col=label_col,
        overwrite=overwrite,
    )
    for line in found.notes:
        note(line)
    rows = ", ".join(f"{split} {n:,}" for split, n in found.splits.items())
    note(f"{found.format}: rows of {rows}; {counted(len(found.labels), 'label')}")
    note(f"next: cd {found.path}, mmfeat check, and then mmfeat extract")
    print(found.path)
