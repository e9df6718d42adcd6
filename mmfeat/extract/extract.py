"""The verb `extract`: tables of images and captions become feature stores."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Unpack

from mmfeat.core.checks import check_arguments
from mmfeat.extract.engines.base import find_engine, load_encoder_for
from mmfeat.extract.engines.carry_out import carry_out
from mmfeat.extract.job import read_job
from mmfeat.extract.options import ExtractOptions
from mmfeat.extract.run import begin_extraction, help_extract, is_helping
from mmfeat.extract.summary import ExtractSummary
from mmfeat.extract.updates.missing import Progress
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
    reuse: Path | str | None = None,
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
        Name of the store (the table's, unless given), of its feature set, or its path. Several
        `models` give their names to their sets.
    retry_failed
        Try images again that failed before, and nothing else.
    reuse
        A store, by its path or by the split that it has in the same feature set: rows with the
        same picture or caption as one of its rows are not encoded again.
    progress
        Gives for each table what hears of progress: (modality, rows done, rows in all); of several
        `models` that are encoded at once, a modality is followed by a blank and its set.
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
        What became of the rows, by split, or with several `models` by ``SET/SPLIT``; empty in a
        process of torchrun that only helps.

    Raises
    ------
    MmfeatError
        `TableError` for a table, `EncoderError` for the model, `ExtractError` or `StoreError` for
        the rest.
    """
    job = read_job(table, options, split=split, features=features, out=out, workspace=workspace)
    helps = is_helping(job.encoding)
    for table_name, rows in job.tables.items() if not helps else ():
        on_table(summarise_table(rows))
        if rows.targets is not None and table_name == job.unlabelled:
            told = "%s: its labels are kept in the store; predict and submit ignore them"
            log.info(told, table_name)
    summaries = {}
    sets, several = job.sets, bool(job.encoding.models)
    at_once = find_engine(job.encoding.engine).make_together is not None
    for group in [list(sets)] if at_once else [[name] for name in sets]:
        for name in group if several else ():
            log.info(
                "feature set %s: %s, weights %s", name, sets[name].model, sets[name].pretrained
            )
        encoders = {name: load_encoder_for(sets[name]) for name in group}
        for table_name, rows in job.tables.items():
            stores = {name: job.store(table_name, name) for name in group}
            for name in group if helps and reuse is None else ():
                help_extract(
                    rows,
                    images=job.data.images,
                    encoder=encoders[name],
                    out=stores[name],
                    settings=sets[name],
                )
            if helps:
                continue
            with progress() as hear:
                extractions = [
                    begin_extraction(
                        rows,
                        images=job.data.images,
                        encoder=encoders[name],
                        out=stores[name],
                        settings=sets[name],
                        retry_failed=retry_failed,
                        reuse=job.find(reuse, name),
                        progress=hear if len(group) == 1 else _progress_of(str(name), hear),
                    )
                    for name in group
                ]
                found = carry_out(extractions)
            for name, summary in zip(group, found, strict=True):
                summaries[f"{name}/{table_name}" if several else table_name] = summary
                on_summary(summary)
        del encoders  # which may leave no room for the next
    return summaries


def _progress_of(feature_set: str, hear: Progress | None) -> Progress | None:
    """What hears of one of several feature sets that are made at once: by modality and set."""
    if hear is None:
        return None
    return lambda modality, done, total: hear(f"{modality} {feature_set}", done, total)
