"""Which rows a model was fitted on, or all but fitted on: by id, by content, by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmfeat.core.workspace import Workspace
from mmfeat.errors import StoreError
from mmfeat.near.kept import load_links_between
from mmfeat.runs.bundle import Bundle
from mmfeat.runs.run import Run
from mmfeat.store import FeatureStore, read_provenance
from mmfeat.store.parts import find_store
from mmfeat.tables.table import TableFormat
from mmfeat.types import BoolArray

REASONS = ("id", "content", "group")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Rows that a model knows.

    Attributes
    ----------
    by
        For each of `REASONS` the rows, (n,), that share it with a row the model was fitted on.
    doubts
        What could not be compared, a sentence each.
    """

    by: dict[str, BoolArray]
    doubts: tuple[str, ...]


def find_seen(run: Run, workspace: Workspace, place: Workspace, split: str) -> Seen:
    """Find the rows of `split` in `place` that a run or bundle was fitted on, or tuned on.

    They have the id of such a row, are a near-copy of it (`mmfeat.near`) by the encoder of the
    run, or are of the same named group. What a run was fitted on is known from its scores and from
    the stores in `workspace`, as long as these are the ones that it was fitted on.
    """
    paths = place.stores(split, run.config.features)
    rows = _read(paths[0])
    by = {reason: np.zeros(len(rows.ids), np.bool_) for reason in REASONS}
    doubts: list[str] = []
    for name, stores in _fitted(run):
        if rows.table is not None and rows.table in [store.get("table_sha256") for store in stores]:
            by["id"][:] = True
            continue
        against = workspace.stores(name, run.config.features)
        if digests_of(against) != [store.get("digest") for store in stores]:
            known = "its ids alone are" if not isinstance(run, Bundle) else "nothing of it is"
            doubts.append(
                f"{run.name} was fitted on {name}, which is not in {workspace.root} as it was:"
                f" {known} compared, and what is measured may be too good for {run.name}"
            )
            continue
        fitted = _read(against[0])
        by["id"] |= rows.have_id_of(fitted)
        by["group"] |= rows.have_group_of(fitted)
        if not by["id"].all():
            for link in load_links_between(workspace, paths, against).values():
                by["content"][link.pairs.rows[:, 0]] = True
    if not isinstance(run, Bundle) and rows.has_ids and run.table_format.id_col is not None:
        by["id"] |= np.isin(rows.ids, list(run.oof.ids))
    return Seen(by=by, doubts=tuple(doubts))


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """What tells rows of a store: ids, which are only numbers without a column, and groups."""

    ids: Sequence[str]
    groups: Sequence[str] | None
    format: TableFormat
    table: str | None

    @property
    def has_ids(self) -> bool:
        return self.format.id_col is not None

    def have_id_of(self, fitted: _Rows) -> BoolArray:
        if not (self.has_ids and fitted.has_ids):
            return np.zeros(len(self.ids), np.bool_)
        return np.isin(self.ids, list(fitted.ids))

    def have_group_of(self, fitted: _Rows) -> BoolArray:
        alike = self.format.group_cols == fitted.format.group_cols
        if self.groups is None or fitted.groups is None or not alike:
            return np.zeros(len(self.ids), np.bool_)
        return np.isin(list(self.groups), list(set(fitted.groups) - {""}))


def _read(path: Path) -> _Rows:
    with FeatureStore.open(path) as store:
        origin = store.provenance
        return _Rows(
            ids=list(store.ids),
            groups=store.groups,
            format=TableFormat.from_json(origin.get("table") or {}),
            table=origin.get("table_sha256"),
        )


def _fitted(run: Run) -> list[tuple[str, list[dict[str, Any]]]]:
    """The splits that a run learned from, and chose thresholds on, with what is said of each."""
    found = [(run.config.split, run.provenance["stores"])]
    if run.config.validation is not None:
        found.append((run.config.validation, run.provenance.get("validation") or []))
    return [(name, [s for s in stores if isinstance(s, dict)]) for name, stores in found]


def digests_of(paths: Sequence[Path]) -> list[str] | None:
    """What identifies stores; None where one of them is not there or cannot be read."""
    if any(find_store(path) is None for path in paths):
        return None
    try:
        return [read_provenance(path)["digest"] for path in paths]
    except StoreError:
        return None
