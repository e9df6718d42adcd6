"""Scores of a run for the rows of a store, and the file of scores and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmfeat.config import ExtractSettings, override
from mmfeat.decision import Decision
from mmfeat.ensemble import NAME as ENSEMBLE
from mmfeat.ensemble import Ensemble
from mmfeat.errors import ConfigError, RunError
from mmfeat.extract import ExtractSummary, Progress, extract_table, load_encoder_for
from mmfeat.files import replacing
from mmfeat.fit import tell_missing
from mmfeat.model import Model
from mmfeat.runs import Run
from mmfeat.store import FeatureStore, Status, read_features
from mmfeat.types import Features, FloatArray, Scores, Table
from mmfeat.workspace import Workspace


def predict_scores(run: Run, workspace: Workspace, split: str) -> Scores:
    """Score every row of `split` with the final model of a finished run.

    Raises `RunError` where the split was extracted by another encoder than the run's.
    """
    labels = run.scores().labels
    stores: dict[tuple[str, ...], Features] = {}
    probabilities = _predict(run, workspace, split, stores)
    ids = {features.ids for features in stores.values()}
    if len(ids) > 1:
        raise RunError(
            "the stores of a split have the same rows in the same order",
            f"those of {split} for {' and '.join(map(str, stores))} differ",
            "extract them from the same table",
        )
    return Scores(ids=ids.pop(), labels=labels, probabilities=probabilities)


def _predict(
    run: Run, workspace: Workspace, split: str, stores: dict[tuple[str, ...], Features]
) -> FloatArray:
    """Probabilities of shape (n, k); `stores` keeps what was read, by feature sets."""
    config = run.config()
    if config.head == ENSEMBLE:
        ensemble = Ensemble.load(run.folder / "head")
        parts = [_predict(part, workspace, split, stores) for part in ensemble.members.values()]
        return ensemble.mix(parts)
    paths = workspace.stores(split, config.features)
    for path, fitted in zip(paths, run.provenance()["stores"], strict=True):
        with FeatureStore.open(path) as store:
            _check_encoder(store.provenance["encoder"], fitted["encoder"], run, source=str(path))
    if config.features not in stores:
        stores[config.features] = read_features(paths)
        tell_missing(stores[config.features])
    return Model.load(run.folder / "head").predict(stores[config.features])


def extract_for(
    run: Run,
    table: Table,
    *,
    images: Path,
    out: Path,
    settings: ExtractSettings,
    pretrained: str | None = None,
    progress: Progress | None = None,
) -> ExtractSummary:
    """Put `table` through stage one with the encoder that the run was fitted on.

    `pretrained` says where its weights are, where that is neither a tag nor in `settings`.

    Raises `RunError` where the run joins several feature sets or used imported embeddings.
    """
    origins = [origin["encoder"] for origin in run.provenance()["stores"]]
    if len(origins) > 1 or "weights_sha256" not in origins[0]:
        names = " and ".join(origin["name"] for origin in origins)
        raise RunError(
            "a table goes through one encoder that mmfeat can run",
            f"{run.name} was fitted on embeddings of {names}",
            "make the stores with `mmfeat extract` or `mmfeat import`, and name their --split",
        )
    fitted = origins[0]
    if pretrained is None:
        same = settings.model == fitted["name"]
        pretrained = settings.pretrained if same else fitted.get("pretrained", "")
    settings = replace(
        override(settings, pretrained=pretrained),
        model=fitted["name"],
        precision=fitted["precision"],
        label_prompts=None,  # a head that compares with prompts has kept them
    )
    encoder = load_encoder_for(settings)
    _check_encoder(encoder.provenance, fitted, run, source=settings.pretrained)
    return extract_table(
        table, images=images, encoder=encoder, out=out, settings=settings, progress=progress
    )


def read_statuses(run: Run, workspace: Workspace, split: str) -> dict[str, list[str]]:
    """What became of each row of `split` in stage one, e.g. ``image_status``: ok, corrupt, …

    With several feature sets their names stand in front, e.g. ``clip_image_status``.
    """
    features = run.config().features
    prefixes = [f"{name}_" for name in features] if len(features) > 1 else [""]
    found = {}
    for prefix, path in zip(prefixes, workspace.stores(split, features), strict=True):
        with FeatureStore.open(path) as store:
            for modality, codes in store.statuses.items():
                found[f"{prefix}{modality}_status"] = [Status(code).label for code in codes]
    return found


def write_predictions(
    path: Path,
    scores: Scores,
    decision: Decision,
    *,
    empty: str,
    decode: str | None = None,
    label_sep: str = " ",
    statuses: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Replace `path` by one row per id: its labels, statuses, and a probability per label.

    `empty` and `decode` as in `Decision.decide`. A label that is called like another column
    has ``p_`` before its name. The suffix decides the format: csv, tsv, jsonl or parquet;
    raises `ConfigError` for others.
    """
    predicted = decision.decide(scores.probabilities, empty=empty, decode=decode)
    names = np.array(scores.labels, dtype=object)
    columns: dict[str, Any] = {
        "id": scores.ids,
        "labels": [label_sep.join(names[row.astype(bool)]) for row in predicted],
        **(statuses or {}),
    }
    taken = set(columns)
    for j, name in enumerate(scores.labels):
        columns[f"p_{name}" if name in taken else name] = scores.probabilities[:, j]
    frame = pd.DataFrame(columns)
    writers = {
        ".csv": lambda partial: frame.to_csv(partial, index=False),
        ".tsv": lambda partial: frame.to_csv(partial, index=False, sep="\t"),
        ".jsonl": lambda partial: frame.to_json(
            partial, orient="records", lines=True, force_ascii=False
        ),
        ".parquet": lambda partial: frame.to_parquet(partial, index=False),
    }
    if path.suffix not in writers:
        raise ConfigError(
            f"predictions are written as {', '.join(writers)}",
            f"{path} ends otherwise",
            "choose another name for --out",
        )
    with replacing(path) as partial:
        writers[path.suffix](partial)


def _check_encoder(
    encoder: Mapping[str, Any], fitted: Mapping[str, Any], run: Run, *, source: str
) -> None:
    """Compare what decides the numbers of an embedding beyond rounding."""
    for key in ("name", "weights_sha256", "preprocessing", "tokenizer", "context_length"):
        if encoder.get(key) != fitted.get(key):
            raise RunError(
                f"a run predicts features of the encoder it was fitted on; the {key} differs",
                f"{source} has {encoder.get(key)!r}, {run.name} {fitted.get(key)!r}",
                "extract with the run's model and weights",
            )
