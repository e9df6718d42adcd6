"""`mmfeat clean`: remove what killed processes left, and caches."""

from __future__ import annotations

from typing import Annotated

import typer

from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import JsonOption, WorkspaceOption
from mmfeat_cli.tables import print_json


def clean(
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Also remove unfinished runs.")
    ] = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Remove leftover temporary files, caches and checkpoints; keep stores and results."""
    from mmfeat.runs.upkeep.clean import clean as verb

    show_messages(quiet=False)
    result = verb(unfinished=unfinished, workspace=workspace)
    if as_json:
        print_json({"removed": {str(path): size for path, size in result.removed.items()}})
        return
    for path, size in result.removed.items():
        print(f"{path}: {size:,} bytes")
    note(f"removed {len(result.removed)} files or folders, {result.n_bytes:,} bytes")
