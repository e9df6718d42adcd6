"""`mmfeat check`: what a table holds, before anything is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Unpack

import typer

from mmfeat.tables.table import TableOptions
from mmfeat_cli.messages import show_messages
from mmfeat_cli.options import (
    JsonOption,
)
from mmfeat_cli.tables import print_json


def check(
    table: Annotated[Path, typer.Argument(help="Table to check: csv, tsv, parquet or jsonl.")],
    json: JsonOption = False,
    **columns: Unpack[TableOptions],
) -> None:
    """Summarise a table: rows, captions, labels, the columns used, and what looks wrong."""
    from mmfeat.tables.check import check as verb

    show_messages(quiet=False)
    summary = verb(table, **columns)
    if json:
        print_json(summary.to_json())
    else:
        print(summary)
