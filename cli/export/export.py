"""`mmfeat export`: the winner as one folder, or as an ONNX file, that predicts anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmfeat.core.memory import size_of
from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import OUTPUT, QuietOption, RunArgument, WorkspaceOption

if TYPE_CHECKING:
    from mmfeat.export.onnx.write import OnnxFile


def export(
    run: RunArgument = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder of the bundle.", rich_help_panel=OUTPUT)
    ] = None,
    to_onnx: Annotated[
        Path | None,
        typer.Option(
            "--to-onnx",
            help="File of ONNX: fusion, heads and calibration as one graph.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    to_hub: Annotated[
        str | None,
        typer.Option(
            "--to-hub",
            help="Repository on the Hugging Face hub, OWNER/NAME; a new one is private.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    with_encoder: Annotated[
        bool,
        typer.Option(
            "--with-encoder", help="Also the encoder: its weights, or its towers as graphs."
        ),
    ] = False,
    pretrained: Annotated[
        str | None,
        typer.Option("--pretrained", help="Weights of the run's encoder, for --with-encoder."),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace a bundle or a file.", rich_help_panel=OUTPUT),
    ] = False,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write all that predicts of a run into one folder, or into an ONNX file."""
    from mmfeat.export.export import export as verb

    show_messages(quiet=quiet)
    result = verb(
        run,
        to=to,
        to_onnx=to_onnx,
        to_hub=to_hub,
        with_encoder=with_encoder,
        pretrained=pretrained,
        overwrite=overwrite,
        workspace=workspace,
    )
    if result.onnx is not None:
        tell_onnx(result.onnx)
    if to is not None or to_hub is not None:
        weights = f"weights of the encoder: {result.encoder}" if result.encoder else ""
        note(f"{size_of(result.n_bytes)}; {weights or 'it takes embeddings'}")
        note(f"next: `mmfeat predict {result.hub or result.path} --images FOLDER`")
    print(result.hub or result.path)


def tell_onnx(file: OnnxFile) -> None:
    """Say what an ONNX file takes, and how far it is from Python."""
    agreement = file.agreement
    inputs = ", ".join(f"{name} (rows, {width})" for name, width in file.inputs.items())
    note(f"{size_of(file.n_bytes)}, opset {file.opset}; inputs: {inputs}")
    changed = agreement.n_changed
    sets = f"label sets differ in {changed:,}" if changed else "the label sets are the same"
    note(
        f"compared on {agreement.n_rows:,} rows: largest difference"
        f" {agreement.difference:.1e}; {sets}"
    )
    for tower in file.towers:
        note(f"{tower.path.name}: {size_of(tower.n_bytes)}, takes {tower.takes};")
        note(f"  largest difference of embeddings of length 1: {tower.difference:.1e}")
