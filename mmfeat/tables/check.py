"""The verb `check`: what a table holds, and how it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from mmfeat.config import FILE_NAME, DataSettings
from mmfeat.core.checks import check_arguments
from mmfeat.core.settings import override_all, read_settings
from mmfeat.errors import ConfigError
from mmfeat.tables.find_columns import named_columns, with_labels
from mmfeat.tables.read import read_table
from mmfeat.tables.several import read_tables
from mmfeat.tables.summary import TableSummary, summarise_table
from mmfeat.tables.table import TableOptions


@check_arguments
def check(table: Path | str, **columns: Unpack[TableOptions]) -> TableSummary:
    """Read a table as `extract` and `import_embeddings` do, and say what it holds.

    Parameters
    ----------
    table
        csv, tsv, parquet or jsonl.
    columns
        How the table is read, see `mmfeat.config.DataSettings`, which has the defaults.

    Raises
    ------
    TableError
        For a table that cannot be read, or in several ways.
    """
    data: DataSettings
    (data,) = override_all(columns, read_settings().data)
    data = with_labels(columns, data)
    return summarise_table(read_table(Path(table), data=data, named=named_columns(columns)))


def check_splits(**columns: Unpack[TableOptions]) -> dict[str, TableSummary]:
    """What the table of every split of `mmfeat.toml` holds, read as `extract` does.

    Raises `ConfigError` where it names none; else as `check`.
    """
    settings = read_settings()
    data: DataSettings
    (data,) = override_all(columns, settings.data)
    data = with_labels(columns, data)
    if not settings.splits:
        raise ConfigError(
            "check needs a table",
            f"none is named, here or under [splits] of {FILE_NAME}",
            "name a TABLE, or let `mmfeat init` look at the folder",
        )
    paths = {split: Path(table) for split, table in settings.splits.items()}
    tables = read_tables(paths, data=data, given=columns, unlabelled=settings.submit.split)
    return {split: summarise_table(table) for split, table in tables.items()}
