"""What is said about related rows before anybody trusts an estimate."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np

from mmfeat.core.workspace import Workspace
from mmfeat.fit.held_out import way_of_folds
from mmfeat.fit.training_data import Training
from mmfeat.near.between import warn_seen
from mmfeat.runs.config import RunConfig
from mmfeat.runs.run import Run
from mmfeat.sensitivity.curve import Curve
from mmfeat.sensitivity.kept import load_curve
from mmfeat.store import StoredFeatures
from mmfeat.tables.table import TableFormat

log = logging.getLogger(__name__)


def warn_seen_by(
    workspace: Workspace, config: RunConfig, split: str, *, place: Workspace | None = None
) -> None:
    """Warn of rows of `split` that have a near-copy among those that a run is fitted on.

    `place` is the workspace of the store of `split`, if it is another one.
    """
    rows = (place or workspace).stores(split, config.features)
    fitted = workspace.stores(config.split, config.features)
    if config.near_copies == "on" and rows != fitted:
        name = split if place in (None, workspace) else "the table"
        warn_seen(workspace, rows, fitted, names=(name, config.split))


def warn_seen_before(workspace: Workspace, config: RunConfig, *, submitted: str) -> None:
    """Warn of rows of `--validation`, and of the split that is submitted, see `warn_seen_by`."""
    for split in filter(None, (config.validation, submitted)):
        warn_seen_by(workspace, config, split)


def warn_of_neighbours(workspace: Workspace, config: RunConfig, training: Training) -> None:
    """Warn where estimates of random folds depend on near neighbours; not with named groups."""
    is_random = way_of_folds(config, training) == "random"
    named = any(map(_names_groups, training.provenance))
    if config.near_copies == "off" or named or not is_random:
        return
    digests = [store["digest"] for store in training.provenance]
    curve = load_curve(workspace, training.features, training.targets, digests)
    if curve is not None and curve.fallen is not None:
        log.warning("%s", curve.verdict)


def curve_of(run: Run, workspace: Workspace, rows: StoredFeatures) -> Curve | None:
    """The curve that the fit of a run measured, given the rows of its stores.

    None where it measured none: its folds are not random, or its table names groups.
    """
    table, scores, origin = run.table_format, run.oof, run.provenance
    if table.group_cols or table.group_regex or origin.get("folds", "random") != "random":
        return None
    place = {label: at for at, label in enumerate(rows.labels)}
    kept = rows.with_labels(np.array([place[label] for label in scores.labels], np.int64))
    digests = [str(store.get("digest")) for store in origin["stores"]]
    return load_curve(workspace, replace(kept, groups=scores.groups), scores.targets, digests)


def _names_groups(provenance: dict[str, Any]) -> bool:
    table = TableFormat.from_json(provenance.get("table") or {})
    return bool(table.group_cols or table.group_regex)
