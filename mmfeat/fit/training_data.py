"""What a fit learns from: the features of a split with their labels, and the folds of its table."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError
from mmfeat.runs.config import RunConfig
from mmfeat.runs.folds import load_folds, make_folds, save_folds
from mmfeat.store import StoredFeatures, open_features, read_features, read_provenance
from mmfeat.types import Features, IntArray, Targets

Stores = tuple[str, tuple[str, ...], int | None]  # split, feature sets, memory: what is loaded

# Libraries take some 700 MiB of --max-memory. Rows that are read slice by slice take a quarter.
# Features of at most a twentieth are read at once: a fit makes up to two float32 copies of them.
SHARE_OF_ROWS, SHARE_OF_STORES = 4, 20

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Training:
    """The features to fit on, read or opened once and shared by all cells of a comparison."""

    features: Features | StoredFeatures
    targets: Targets
    digest: str
    provenance: list[dict[str, Any]]


def load_training(
    workspace: Workspace, split: str, features: Sequence[str] = (), max_memory: int | None = None
) -> Training:
    """Read the stores of `split`; raise `FitError` where they have no labels to learn.

    With `max_memory`, in bytes, features that a fit would not hold in it stay in their files and
    are read slice by slice.
    """
    paths = workspace.stores(split, tuple(features))
    if max_memory is None:
        joined: Features | StoredFeatures = read_features(paths)
    else:
        joined = open_features(paths, memory=max_memory // SHARE_OF_ROWS)
        if joined.n_bytes <= max_memory // SHARE_OF_STORES:
            with joined:
                joined = joined.part(slice(None))
    if joined.targets is None:
        raise FitError(
            "a fit needs labels",
            f"{paths[0]} was made from a table without labels",
            "fit a split that has them, or name the column with `mmfeat extract --label-col`",
        )
    origins = [read_provenance(path) for path in paths]
    digests = [origin["digest"] for origin in origins]
    return Training(
        features=joined,
        targets=joined.targets,
        digest=hashlib.sha256(" ".join(digests).encode()).hexdigest(),
        provenance=origins,
    )


def shared_folds(workspace: Workspace, config: RunConfig, training: Training) -> IntArray:
    """The folds of this table, number and seed: one file for all runs."""
    table = hashlib.sha256("\n".join(training.features.ids).encode())
    table.update(np.ascontiguousarray(training.targets).tobytes())
    name = f"{table.hexdigest()[:16]}-k{config.folds}-s{config.seed}.json"
    path = workspace.folds / name
    if path.exists():
        return load_folds(path)
    folds = make_folds(training.targets, n_folds=config.folds, seed=config.seed)
    save_folds(path, folds)
    return folds


def warn_missing(missing: Mapping[str, int], n_rows: int) -> None:
    """Warn of rows that lack a modality, with their number; see `count_missing`."""
    for modality, count in missing.items():
        if count:
            log.warning(
                "%d of %d rows have no %s embedding; they are fitted and predicted without it",
                count,
                n_rows,
                modality,
            )
