"""`mmfeat inspect`: what is inside a feature store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat_cli.common import JsonOption, print_json, show_messages


def inspect(
    store: Annotated[Path, typer.Argument(help="A feature store, .h5")],
    as_json: JsonOption = False,
) -> None:
    """Print rows, widths, statuses, problems and provenance of a store."""
    from mmfeat.store.inspect import inspect_store

    show_messages(quiet=False)
    document = inspect_store(store)
    if as_json:
        print_json(document)
        return
    for key, value in document.items():
        print(f"{key}: {value}")
