"""`mmfeat check`: what a table holds, before anything is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Unpack

import typer

from mmfeat.tables.table import TableOptions
from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import (
    JsonOption,
)
from mmfeat_cli.tables import print_json


def check(
    table: Annotated[
        Path | None,
        typer.Argument(
            help="Table to check: csv, tsv, parquet or jsonl; by default every split of"
            " mmfeat.toml."
        ),
    ] = None,
    json: JsonOption = False,
    **columns: Unpack[TableOptions],
) -> None:
    """Summarise a table: rows, captions, labels, the columns used, and what looks wrong."""
    from mmfeat.tables.check import check as verb
    from mmfeat.tables.check import check_splits

    show_messages(quiet=False)
    summaries = check_splits(**columns) if table is None else {"": verb(table, **columns)}
    if not json:
        for summary in summaries.values():
            print(summary)
        if table is None:
            note("next: mmfeat extract")
    elif table is None:
        print_json({split: summary.to_json() for split, summary in summaries.items()})
    else:
        print_json(summaries[""].to_json())
