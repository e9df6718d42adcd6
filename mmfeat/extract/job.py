"""What `extract` was asked for: tables, encoders with their feature sets, and where stores lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mmfeat.config import DataSettings, ExtractSettings
from mmfeat.core.settings import override_all
from mmfeat.core.workspace import Workspace, open_project
from mmfeat.errors import ConfigError
from mmfeat.extract.encoders.sets import settings_by_set
from mmfeat.extract.options import ExtractOptions
from mmfeat.tables.find_columns import with_labels
from mmfeat.tables.several import read_tables
from mmfeat.tables.table import Table


@dataclass(frozen=True, kw_only=True)
class Job:
    """The tables of an extraction by split, and how they are encoded.

    Attributes
    ----------
    features, out
        The feature set and the path that were asked for, of one encoder.
    unlabelled
        The split that is to be predicted.
    """

    data: DataSettings
    encoding: ExtractSettings
    tables: dict[str, Table]
    features: str | None
    out: Path | None
    unlabelled: str
    space: Workspace

    @property
    def sets(self) -> dict[str | None, ExtractSettings]:
        """The encoder of each feature set; the unnamed one is None."""
        if self.encoding.models:
            return dict(settings_by_set(self.encoding).items())
        return {self.features: self.encoding}

    def store(self, split: str, feature_set: str | None) -> Path:
        """Where the store of a split lies."""
        return self.out or self.space.store(split, feature_set)

    def find(self, store: Path | str | None, feature_set: str | None) -> Path | None:
        """The path of a store that is named by it, or by its split."""
        if store is None:
            return None
        is_path = isinstance(store, Path) or "/" in store or store.endswith(".h5")
        return Path(store) if is_path else self.space.store(str(store), feature_set)


def read_job(
    table: Path | str | None,
    options: ExtractOptions,
    *,
    split: str | None,
    features: str | None,
    out: Path | str | None,
    workspace: Path | str | None,
) -> Job:
    """Read the settings and the tables; arguments and errors as in `mmfeat.extract`."""
    settings, space = open_project(workspace)
    data: DataSettings
    encoding: ExtractSettings
    data, encoding = override_all(options, settings.data, settings.extract)
    data = with_labels(options, data)
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
    return Job(
        data=data,
        encoding=encoding,
        tables=read_tables(paths, data=data, given=options, unlabelled=settings.submit.split),
        features=features,
        out=None if out is None else Path(out),
        unlabelled=settings.submit.split,
        space=space,
    )


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
