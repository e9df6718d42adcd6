"""Near-copies between two splits, in a sentence: rows that a model has all but seen."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmfeat.core.workspace import Workspace
from mmfeat.near.kept import load_links_between
from mmfeat.store import FeatureStore
from mmfeat.store.parts import find_store

log = logging.getLogger(__name__)


def warn_seen(
    workspace: Workspace, rows: Sequence[Path], against: Sequence[Path], *, names: tuple[str, str]
) -> None:
    """Warn of rows that have a near-copy in other stores; `names` are those of the two splits.

    Nothing is looked for where one of the stores is missing.
    """
    if any(find_store(path) is None for path in (*rows, *against)):
        return
    links = load_links_between(workspace, rows, against)
    found = {name: link.pairs.best_first() for name, link in links.items() if len(link.pairs)}
    if not found:
        return
    with FeatureStore.open(rows[0]) as store, FeatureStore.open(against[0]) as other:
        ids, other_ids = store.ids, other.ids
    seen = np.unique(np.concatenate([pairs.rows[:, 0] for pairs in found.values()]))
    ways = [f"{len(np.unique(pairs.rows[:, 0]))} by {name}" for name, pairs in found.items()]
    first = max(found.values(), key=lambda pairs: float(pairs.cosines[0]))
    row, twin = first.rows[0]
    shown = f"; see `mmfeat duplicates {names[0]} --against {names[1]}`"
    log.warning(
        "%d of %d rows of %s have a near-copy in %s (%s), e.g. %s and %s: what is measured on them"
        " is too good%s",
        len(seen),
        len(ids),
        *names,
        ", ".join(ways),
        ids[row],
        other_ids[twin],
        shown if rows[0] == workspace.store(names[0]) else "",
    )
