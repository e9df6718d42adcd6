"""`mmfeat export`: the winner as one folder that predicts anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import OUTPUT, QuietOption, RunArgument, WorkspaceOption


def export(
    to: Annotated[Path, typer.Option("--to", help="Folder of the bundle.", rich_help_panel=OUTPUT)],
    run: RunArgument = None,
    with_encoder: Annotated[
        bool, typer.Option("--with-encoder", help="Copy the weights of the encoder, too.")
    ] = False,
    pretrained: Annotated[
        str | None,
        typer.Option("--pretrained", help="Weights of the run's encoder, for --with-encoder."),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace a bundle.", rich_help_panel=OUTPUT),
    ] = False,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write all that predicts of a run into one folder."""
    from mmfeat.export.export import export as verb

    show_messages(quiet=quiet)
    result = verb(
        run,
        to=to,
        with_encoder=with_encoder,
        pretrained=pretrained,
        overwrite=overwrite,
        workspace=workspace,
    )
    encoder = result.encoder or "none: it takes embeddings"
    note(f"{result.n_bytes / 1e6:.1f} MB; weights of the encoder: {encoder}")
    note(f"next: mmfeat predict {result.path}")
    print(result.path)
