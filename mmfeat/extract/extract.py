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
            "name a TABLE, or a --split of mmfeat.toml",
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
    for feature_set, own in sets.items():
        if encoding.models:
            log.info("feature set %s: %s, weights %s", feature_set, own.model, own.pretrained)
        encoder = load_encoder_for(own)
        for name, rows in tables.items():
            store = Path(out) if out is not None else space.store(name, feature_set)
            reused = None if reuse is None else _path_of(reuse, space, feature_set)
            if helps and reused is None:
                help_extract(rows, images=data.images, encoder=encoder, out=store, settings=own)
            if helps:
                continue
            with progress() as hear:
                summary = extract_table(
                    rows,
                    images=data.images,
                    encoder=encoder,
                    out=store,
                    settings=own,
                    retry_failed=retry_failed,
                    reuse=reused,
                    progress=hear,
                )
            summaries[f"{feature_set}/{name}" if encoding.models else name] = summary
            on_summary(summary)
        del encoder  # which may leave no room for the next
    return summaries


def _path_of(store: Path | str, space: Workspace, feature_set: str | None) -> Path:
    """The path of a store that is named by it, or by its split."""
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
