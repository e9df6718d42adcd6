"""`mmfeat check`: what a table holds, before anything is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat_cli.messages import show_messages
from mmfeat_cli.options import (
    FoldCol,
    GroupCol,
    GroupRegex,
    IdCol,
    ImageCol,
    JsonOption,
    KnownCol,
    LabelCol,
    LabelCols,
    LabelSep,
    NormaliseLabels,
    RenameLabel,
    TextCol,
    TimeCol,
    UncertainCol,
    names,
)
from mmfeat_cli.tables import print_json


def check(
    table: Annotated[Path, typer.Argument(help="Table to check: csv, tsv, parquet or jsonl.")],
    id_col: IdCol = None,
    image_col: ImageCol = None,
    text_col: TextCol = None,
    label_col: LabelCol = None,
    label_sep: LabelSep = None,
    label_cols: LabelCols = None,
    normalise_labels: NormaliseLabels = None,
    rename_label: RenameLabel = None,
    group_col: GroupCol = None,
    group_regex: GroupRegex = None,
    fold_col: FoldCol = None,
    time_col: TimeCol = None,
    known_col: KnownCol = None,
    uncertain_col: UncertainCol = None,
    json: JsonOption = False,
) -> None:
    """Summarise a table: rows, captions, labels, the columns used, and what looks wrong."""
    from mmfeat.tables.check import check as verb

    show_messages(quiet=False)
    summary = verb(
        table,
        id_col=id_col,
        image_col=image_col,
        text_col=text_col,
        label_col=label_col,
        label_sep=label_sep,
        label_cols=names(label_cols) or None,
        normalise_labels=normalise_labels,
        rename_labels=rename_label,
        group_cols=names(group_col) or None,
        group_regex=group_regex,
        fold_col=fold_col,
        time_col=time_col,
        known_col=known_col,
        uncertain_col=uncertain_col,
    )
    if json:
        print_json(summary.to_json())
    else:
        print(summary)
