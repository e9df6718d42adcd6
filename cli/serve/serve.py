"""`mmfeat serve`: a bundle or a run answers requests over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat.config import SubmitSettings
from mmfeat.decide.expected_f1 import DECODES, EMPTIES
from mmfeat.serve.limits import Limits
from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import DecisionOption, PredictorArgument, QuietOption, WorkspaceOption, of

LIMITS = "Limits"


def serve(
    run: PredictorArgument = None,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen at; by default this machine alone.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0 is any free port.")] = 8000,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            help="Name by which requests may address it, besides localhost; repeatable.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            help="File with the token that requests need; or set MMFEAT_TOKEN.",
        ),
    ] = None,
    pretrained: Annotated[
        str | None, typer.Option("--pretrained", help="Weights of the run's encoder.")
    ] = None,
    device: Annotated[
        str, typer.Option("--device", help="Device of the encoder: auto, cpu, cuda, ….")
    ] = "auto",
    objective: DecisionOption = None,
    decode: Annotated[str | None, of(SubmitSettings, "decode", choices=DECODES)] = None,
    empty: Annotated[
        str | None,
        of(SubmitSettings, "empty", "Prediction for rows that get no label", choices=EMPTIES),
    ] = None,
    max_bytes: Annotated[
        int, typer.Option("--max-bytes", help="Bytes of a request.", rich_help_panel=LIMITS)
    ] = Limits.max_bytes,
    max_pixels: Annotated[
        int, typer.Option("--max-pixels", help="Pixels of a picture.", rich_help_panel=LIMITS)
    ] = Limits.max_pixels,
    max_caption: Annotated[
        int, typer.Option("--max-caption", help="Characters of a caption.", rich_help_panel=LIMITS)
    ] = Limits.max_caption,
    max_rows: Annotated[
        int, typer.Option("--max-rows", help="Rows of a request.", rich_help_panel=LIMITS)
    ] = Limits.max_rows,
    timeout: Annotated[
        float, typer.Option("--timeout", help="Seconds of a request.", rich_help_panel=LIMITS)
    ] = Limits.timeout,
    queue: Annotated[
        int,
        typer.Option(
            "--queue", help="Rows under way; requests beyond get 429.", rich_help_panel=LIMITS
        ),
    ] = Limits.queue,
    batch: Annotated[
        int,
        typer.Option("--batch", help="Rows that are encoded together.", rich_help_panel=LIMITS),
    ] = Limits.batch,
    delay: Annotated[
        float,
        typer.Option(
            "--delay",
            help="Milliseconds that a row waits for others, at most.",
            rich_help_panel=LIMITS,
        ),
    ] = Limits.delay,
    check: Annotated[
        bool, typer.Option("--check", help="Load the model, answer one row, and stop.")
    ] = False,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Answer requests over HTTP with a bundle or a run, and show a page to try it.

    Ctrl-C or SIGTERM stops it when what was accepted is answered.
    """
    from mmfeat.serve.serve import serve as verb

    show_messages(quiet=quiet)
    verb(
        run,
        host=host,
        port=port,
        allow_host=allow_host or (),
        token_file=token_file,
        pretrained=pretrained,
        device=device,
        objective=objective,
        decode=decode,
        empty=empty,
        limits=Limits(
            max_bytes=max_bytes,
            max_pixels=max_pixels,
            max_caption=max_caption,
            max_rows=max_rows,
            timeout=timeout,
            queue=queue,
            batch=batch,
            delay=delay,
        ),
        check=check,
        on_ready=_tell,
        workspace=workspace,
    )


def _tell(address: str) -> None:
    """Print where the service is as soon as it listens, also into a pipe."""
    note("listening; Ctrl-C stops it")
    print(address, flush=True)
