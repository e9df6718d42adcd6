"""What the feature sets of a leaderboard cost in stage one, as far as their stores tell.

A store holds no time, so that the same input gives the same bytes: how long its encoder took is
kept beside it (`mmfeat.store.cost`), by whoever measured it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mmfeat.core.workspace import Workspace
from mmfeat.errors import StoreError
from mmfeat.runs.config import FeatureSets, name_sets
from mmfeat.store import FeatureStore
from mmfeat.store.cost import Cost, read_cost

ROWS = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StageOne:
    """Feature sets that are joined, and what a row of them takes.

    Attributes
    ----------
    encoders
        The model of each.
    widths
        Numbers per row, by modality.
    n_rows
        The rows that the store of each has.
    bytes_per_1000, seconds_per_1000
        Bytes of the embeddings of 1,000 rows, and the seconds that they took; None where that was
        not measured.
    device
        Where it was measured: what encoded, and the engine where that is not the local one.
    """

    features: FeatureSets
    encoders: tuple[str, ...]
    widths: dict[str, int]
    n_rows: tuple[int, ...]
    bytes_per_1000: int
    seconds_per_1000: float | None
    device: str


def read_stage_one(
    workspace: Workspace, split: str, compared: Iterable[FeatureSets]
) -> tuple[StageOne, ...]:
    """Read it of each of `compared` from the stores of `split`; without those that are gone."""
    found = []
    for features in compared:
        try:
            found.append(_read(workspace, split, features))
        except StoreError as error:
            log.warning("the cost of %s in stage one is unknown: %s", name_sets(features), error)
    return tuple(found)


def _read(workspace: Workspace, split: str, features: FeatureSets) -> StageOne:
    encoders, widths, n_rows, n_bytes = [], Counter[str](), [], 0
    costs: list[Cost | None] = []
    for path in workspace.stores(split, features):
        with FeatureStore.open(path) as store:
            encoders.append(str(store.provenance["encoder"]["name"]))
            widths += Counter(store.widths)
            n_rows.append(store.n_rows)
            costs.append(read_cost(path, store.provenance))
            n_bytes += ROWS * sum(store.widths.values()) * np.dtype(store.dtype).itemsize
    measured = [cost for cost in costs if cost is not None]
    is_measured = len(measured) == len(costs)
    return StageOne(
        features=features,
        encoders=tuple(encoders),
        widths=dict(widths),
        n_rows=tuple(n_rows),
        bytes_per_1000=n_bytes,
        seconds_per_1000=sum(cost.seconds_per_1000 for cost in measured) if is_measured else None,
        device=", ".join(dict.fromkeys(map(_where, measured))) if is_measured else "",
    )


def _where(cost: Cost) -> str:
    return cost.device if cost.engine == "local" else f"{cost.device} by {cost.engine}"


def set_name(features: FeatureSets, costs: Iterable[StageOne]) -> str:
    """Feature sets as they are told: by their names; the unnamed one by its encoder, if known."""
    known = {each.features: ", ".join(each.encoders) for each in costs}
    return name_sets(features) if features else known.get(features) or name_sets(features)
