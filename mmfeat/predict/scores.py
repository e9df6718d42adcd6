"""Scores of a run for the rows of a split, slice by slice: only the scores grow with the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from mmfeat.core.memory import SLICE_ROWS, slices
from mmfeat.core.workspace import Workspace
from mmfeat.errors import RunError, StoreError
from mmfeat.fit.fusion.rows import count_missing
from mmfeat.fit.models.model import Model, load_model
from mmfeat.fit.training_data import warn_missing
from mmfeat.predict.encoder import check_encoder
from mmfeat.runs.config import FeatureSets
from mmfeat.runs.run import Run
from mmfeat.store import FeatureStore, Status, open_features, read_features
from mmfeat.tables.parts import split_parts
from mmfeat.types import FeatureRows, Predictions


def predict_scores(
    run: Run, workspace: Workspace, split: str, *, slice_rows: int = SLICE_ROWS
) -> Predictions:
    """Score every row of `split` with the final model of a finished run.

    `slice_rows` rows are in memory at once. Raises `RunError` where the split was extracted by
    another encoder than the run's, or where a file of the run is damaged.
    """
    labels, model = run.labels, load_model(run)
    with ExitStack() as stack:
        stores = open_split(model, run, workspace, split, stack)
        order = next(iter(stores.values())).ids
        probabilities = np.empty((len(order), len(labels)), dtype=np.float32)
        missing: dict[FeatureSets, Counter[str]] = {sets: Counter() for sets in stores}
        for rows in slices(len(order), size=slice_rows):
            features = {sets: stored.part(rows) for sets, stored in stores.items()}
            for sets, part in features.items():
                missing[sets].update(count_missing(part))
            probabilities[rows] = model.predict_proba(features)
    for counts in missing.values():
        warn_missing(counts, len(order))
    return Predictions(ids=order, labels=labels, probabilities=probabilities)


def read_statuses(run: Run, workspace: Workspace, split: str) -> dict[str, list[str]]:
    """What became of each row of `split` in stage one, e.g. ``image_status``: ok, corrupt, …

    With several feature sets their names stand in front, e.g. ``clip_image_status``.
    """
    features = run.config.features
    prefixes = [f"{name}_" for name in features] if len(features) > 1 else [""]
    found = {}
    for prefix, path in zip(prefixes, workspace.stores(split, features), strict=True):
        with FeatureStore.open(path) as store:
            for modality in store.modalities:
                found[f"{prefix}{modality}_status"] = [
                    Status(code).label for code in store.status(modality)
                ]
    return found


def read_pictures(run: Run, workspace: Workspace, split: str) -> list[str]:
    """The path of each row's picture, of several the first; "" where it has none."""
    with FeatureStore.open(workspace.stores(split, run.config.features)[0]) as store:
        return [split_parts(path)[0] for path in store.image_paths]


def open_split(
    model: Model, run: Run, workspace: Workspace, split: str, stack: ExitStack
) -> dict[FeatureSets, FeatureRows]:
    """Open what a model reads of a split, once for all its parts that read the same.

    `stack` closes it. Raises `RunError` where another encoder than that of the run made a store,
    or the rows of two of them differ.
    """
    stores: dict[FeatureSets, FeatureRows] = {}
    for reads in model.reads:
        paths = workspace.stores(split, reads.features)
        for path, fitted in zip(paths, reads.stores, strict=True):
            with FeatureStore.open(path) as store:
                encoder = store.provenance["encoder"]
                check_encoder(encoder, fitted["encoder"], run=run.name, source=str(path))
        if reads.features not in stores:
            stores[reads.features] = _open(paths, stack)
    order, *others = (rows.ids for rows in stores.values())
    if any(ids != order for ids in others):
        raise RunError(
            "the stores of a split have the same rows in the same order",
            f"those of {split} for {' and '.join(map(str, stores))} differ",
            "extract them from the same table",
        )
    return stores


def _open(paths: Sequence[Path], stack: ExitStack) -> FeatureRows:
    try:
        return stack.enter_context(open_features(paths))
    except StoreError:
        # several stores with their rows in different orders can only be joined in memory;
        # whatever else is wrong is told again
        return read_features(paths)
