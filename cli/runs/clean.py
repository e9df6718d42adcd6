"""`mmfeat clean`: remove what killed processes left, and caches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat.errors import counted
from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import JsonOption, WorkspaceOption
from mmfeat_cli.tables import print_json


def clean(
    unfinished: Annotated[
        bool,
        typer.Option(
            "--unfinished",
            help="Also remove unfinished runs and extractions; their work is then done again.",
        ),
    ] = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Remove leftover temporary files, caches and checkpoints; keep stores and results."""
    from mmfeat.runs.upkeep.clean import clean as verb

    show_messages(quiet=False)
    result = verb(unfinished=unfinished, workspace=workspace)
    if as_json:
        print_json({"removed": by_name(result.removed), "unfinished": by_name(result.unfinished)})
        return
    for path, size in result.removed.items():
        print(f"{path}: {size:,} bytes")
    told = counted(len(result.removed), "file or folder", "files or folders")
    note(f"removed {told}, {result.n_bytes:,} bytes")
    if result.unfinished:
        n_bytes = sum(result.unfinished.values())
        one, many = "unfinished run or extraction", "unfinished runs or extractions"
        note(f"kept {counted(len(result.unfinished), one, many)}, {n_bytes:,} bytes")
        note("the same command continues them; clean --unfinished removes them")


def by_name(sizes: dict[Path, int]) -> dict[str, int]:
    """The sizes of paths, by their names."""
    return {str(path): size for path, size in sizes.items()}
