"""`mmfeat extract`: stage one, from a table and a folder of images to a feature store."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from mmfeat.extract.options import ExtractOptions
from mmfeat_cli.extract.progress import show_progress
from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import (
    IMAGES,
    SPEED,
    DryRunOption,
    FeatureSet,
    QuietOption,
    StoreOut,
    StoreSplit,
    WorkspaceOption,
)
from mmfeat_cli.tables import print_lines

if TYPE_CHECKING:
    from mmfeat.tables.summary import TableSummary


def extract(
    table: Annotated[
        Path | None,
        typer.Argument(
            help="Table: csv, tsv, parquet or jsonl; by default every split of mmfeat.toml."
        ),
    ] = None,
    split: StoreSplit = None,
    features: FeatureSet = None,
    out: StoreOut = None,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed", help="Retry the images that failed before.", rich_help_panel=IMAGES
        ),
    ] = False,
    reuse: Annotated[
        str | None,
        typer.Option(
            "--reuse",
            metavar="STORE",
            help="Store, or split, of another table: its rows are not encoded again where picture"
            " or caption are the same.",
            rich_help_panel=SPEED,
        ),
    ] = None,
    dry_run: DryRunOption = False,
    workspace: WorkspaceOption = None,
    quiet: QuietOption = False,
    **options: Unpack[ExtractOptions],
) -> None:
    """Run the encoder once and cache the embeddings of images and captions."""
    from mmfeat.extract.dry_run import forecast_extract
    from mmfeat.extract.engines.torchrun import is_helper
    from mmfeat.extract.extract import extract as verb

    quiet = quiet or is_helper()
    show_messages(quiet=quiet)
    if dry_run:
        forecasts = forecast_extract(
            table,
            split=split,
            features=features,
            out=out,
            retry_failed=retry_failed,
            reuse=reuse,
            workspace=workspace,
            **options,
        )
        for forecast in forecasts.values():
            print_lines(forecast)
        return
    has_labels: list[bool] = []

    def tell(table: TableSummary) -> None:
        has_labels.append(table.label_rows is not None)
        print(table)

    verb(
        table,
        split=split,
        features=features,
        out=out,
        retry_failed=retry_failed,
        reuse=reuse,
        workspace=workspace,
        progress=partial(show_progress, quiet=quiet),
        on_table=tell,
        on_summary=print_lines,
        **options,
    )
    if any(has_labels):
        note("next: mmfeat compare")
    elif has_labels:
        note("next: mmfeat predict; a comparison needs labels: name --label-col or --label-cols")
