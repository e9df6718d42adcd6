"""The verb `extract`: tables of images and captions become feature stores."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from mmfeat.config import DataSettings, ExtractSettings
from mmfeat.core.checks import check_arguments
from mmfeat.core.settings import override_all
from mmfeat.core.workspace import Workspace, open_project
from mmfeat.errors import ConfigError
from mmfeat.extract.encoders.sets import settings_by_set
from mmfeat.extract.engines.base import find_engine, load_encoder_for
from mmfeat.extract.engines.carry_out import carry_out
from mmfeat.extract.options import ExtractOptions
from mmfeat.extract.run import begin_extraction, help_extract, is_helping
from mmfeat.extract.summary import ExtractSummary
from mmfeat.extract.updates.missing import Progress
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
    settings, space = open_project(workspace)
    data: DataSettings
    encoding: ExtractSettings
    data, encoding = override_all(options, settings.data, settings.extract)
    encoding = _one_or_several(encoding, options, {"--features": features, "--out": out})
    if table is not None:
        paths = {split or Path(table).stem: Path(table)}
    else:
        named = {name: Path(path) for name, path in settings.splits.items()}
        paths = {name: path for name, path in named.items() if split in (None, name)}
    if not paths or (out is not None and len(paths) > 1):
        raise ConfigError(
            "extract needs a table, and one table for --out",
            f"{len(paths)} tables were named, here or in mmfeat.toml",
            "name a TABLE or a --split of mmfeat.toml, which `mmfeat init` writes",
        )
    tables = read_tables(paths, data=data, given=options, unlabelled=settings.submit.split)
    helps = is_helping(encoding)
    for name, rows in tables.items() if not helps else ():
        on_table(summarise_table(rows))
        if rows.targets is not None and name == settings.submit.split:
            log.info("%s: its labels are kept in the store; predict and submit ignore them", name)
    summaries = {}
    sets: dict[Any, ExtractSettings] = {features: encoding}
    if encoding.models:
        sets = {**settings_by_set(encoding)}
    at_once = find_engine(encoding.engine).make_together is not None
    for group in [list(sets)] if at_once else [[name] for name in sets]:
        for name in group if encoding.models else ():
            log.info(
                "feature set %s: %s, weights %s", name, sets[name].model, sets[name].pretrained
            )
        encoders = {name: load_encoder_for(sets[name]) for name in group}
        for table_name, rows in tables.items():
            stores = {name: Path(out or space.store(table_name, name)) for name in group}
            for name in group if helps and reuse is None else ():
                help_extract(
                    rows,
                    images=data.images,
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
                        images=data.images,
                        encoder=encoders[name],
                        out=stores[name],
                        settings=sets[name],
                        retry_failed=retry_failed,
                        reuse=_path_of(reuse, space, name),
                        progress=hear if len(group) == 1 else _progress_of(name, hear),
                    )
                    for name in group
                ]
                found = carry_out(extractions)
            for name, summary in zip(group, found, strict=True):
                summaries[f"{name}/{table_name}" if encoding.models else table_name] = summary
                on_summary(summary)
        del encoders  # which may leave no room for the next
    return summaries


def _progress_of(feature_set: str, hear: Progress | None) -> Progress | None:
    """What hears of one of several feature sets that are made at once: by modality and set."""
    if hear is None:
        return None
    return lambda modality, done, total: hear(f"{modality} {feature_set}", done, total)


def _path_of(store: Path | str | None, space: Workspace, feature_set: str | None) -> Path | None:
    """The path of a store that is named by it, or by its split."""
    if store is None:
        return None
    is_path = isinstance(store, Path) or "/" in store or store.endswith(".h5")
    return Path(store) if is_path else space.store(str(store), feature_set)


def _one_or_several(
    encoding: ExtractSettings, options: ExtractOptions, places: Mapping[str, object]
) -> ExtractSettings:
    """Let `model` as an option override `models` of `mmfeat.toml`.

    Raises `ConfigError` where both are options, or several models are to have one place.
    """
    if options.get("model") is None:
        given = {flag: place for flag, place in places.items() if place is not None}
    else:
        given = {"--model": options["model"]} if options.get("models") else {}
        encoding = encoding if given else replace(encoding, models=())
    for flag, place in given.items() if encoding.models else ():
        raise ConfigError(
            "--models names a feature set after each of its models",
            f"{flag} is {place}",
            f"leave out {flag}, or extract one --model",
        )
    return encoding
