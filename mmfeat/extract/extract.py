"""The verb `extract`: tables of images and captions become feature stores."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Unpack

from mmfeat.config import DataSettings, ExtractSettings
from mmfeat.core.checks import check_arguments
from mmfeat.core.settings import override_all
from mmfeat.core.workspace import open_project
from mmfeat.errors import ConfigError
from mmfeat.extract.engines.base import load_encoder_for
from mmfeat.extract.options import ExtractOptions
from mmfeat.extract.run import Progress, extract_table, help_extract, is_helping
from mmfeat.extract.summary import ExtractSummary
from mmfeat.tables.several import read_tables
from mmfeat.tables.summary import TableSummary, summarise_table

log = logging.getLogger(__name__)

ShowProgress = Callable[[], AbstractContextManager[Progress | None]]


@check_arguments
def extract(
    table: Path | str | None = None,
    *,
    split: str | None = None,
    features: str | None = None,
    out: Path | str | None = None,
    retry_failed: bool = False,
    workspace: Path | str | None = None,
    progress: ShowProgress = nullcontext,
    on_table: Callable[[TableSummary], None] = lambda summary: None,
    on_summary: Callable[[ExtractSummary], None] = lambda summary: None,
    **options: Unpack[ExtractOptions],
) -> dict[str, ExtractSummary]:
    """Run a frozen encoder once and cache the embeddings of images and captions.

    Parameters
    ----------
    table
        csv, tsv, parquet or jsonl; None: every table that `mmfeat.toml` names, or that of `split`.
    split, features, out
        Name of the store (the table's, unless given), of its feature set, or its path.
    retry_failed
        Try images again that failed before, and nothing else.
    progress
        Gives for each table what hears of progress: (modality, rows done, rows in all).
    on_table
        Hears what each table holds, before anything is encoded.
    on_summary
        Hears what became of each table as soon as it is finished.
    options
        How the table is read and encoded, see `mmfeat.config.DataSettings` and
        `mmfeat.config.ExtractSettings`, which have the defaults.

    Returns
    -------
    dict
        What became of the rows, by split; empty in a process of torchrun that only helps.

    Raises
    ------
    MmfeatError
        `TableError` for a table, `EncoderError` for the model, `ExtractError` or `StoreError` for
        the rest.
    """
    settings, space = open_project(workspace)
    data: DataSettings
    encoding: ExtractSettings
    data, encoding = override_all(options, settings.data, settings.extract)
    if table is not None:
        paths = {split or Path(table).stem: Path(table)}
    else:
        named = {name: Path(path) for name, path in settings.splits.items()}
        paths = {name: path for name, path in named.items() if split in (None, name)}
    if not paths or (out is not None and len(paths) > 1):
        raise ConfigError(
            "extract needs a table, and one table for --out",
            f"{len(paths)} tables were named, here or in mmfeat.toml",
            "name a TABLE, or a --split of mmfeat.toml",
        )
    tables = read_tables(paths, data=data, given=options, unlabelled=settings.submit.split)
    helps = is_helping(encoding)
    for rows in () if helps else tables.values():
        on_table(summarise_table(rows))
    encoder = load_encoder_for(encoding)
    summaries = {}
    for name, rows in tables.items():
        if rows.targets is not None and name == settings.submit.split:
            log.info("%s: its labels are kept in the store; predict and submit ignore them", name)
        store = Path(out) if out is not None else space.store(name, features)
        if helps:
            help_extract(rows, images=data.images, encoder=encoder, out=store, settings=encoding)
            continue
        with progress() as hear:
            summaries[name] = extract_table(
                rows,
                images=data.images,
                encoder=encoder,
                out=store,
                settings=encoding,
                retry_failed=retry_failed,
                progress=hear,
            )
        on_summary(summaries[name])
    return summaries
