"""What the feature sets of a leaderboard cost in stage one, as far as their stores tell.

A store holds no time, so that the same input gives the same bytes: its width and size are told, and
how long its encoder took is not.
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
    bytes_per_1000
        Bytes of the embeddings of 1,000 rows.
    """

    features: FeatureSets
    encoders: tuple[str, ...]
    widths: dict[str, int]
    bytes_per_1000: int


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
    encoders, widths, n_bytes = [], Counter[str](), 0
    for path in workspace.stores(split, features):
        with FeatureStore.open(path) as store:
            encoders.append(str(store.provenance["encoder"]["name"]))
            widths += Counter(store.widths)
            n_bytes += ROWS * sum(store.widths.values()) * np.dtype(store.dtype).itemsize
    return StageOne(
        features=features, encoders=tuple(encoders), widths=dict(widths), bytes_per_1000=n_bytes
    )
