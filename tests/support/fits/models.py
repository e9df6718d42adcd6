"""Small models on made-up features: every head with every fusion, quick to fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mmfeat.fit.fusion import FUSIONS, LateFusion
from mmfeat.fit.fusion.fuse import fuse
from mmfeat.fit.models.head_model import HeadModel
from mmfeat.fit.models.model import Model
from mmfeat.fit.models.stacked_model import StackedModel
from mmfeat.runs.folds import Folds
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.types import Features

N_ROWS, WIDTH, N_LABELS, N_FOLDS = 45, 6, 3, 3
QUICK = {
    "mlp": {"epochs": "2", "hidden": "8"},
    "gmlp": {"epochs": "2", "width": "4", "tokens": "2"},
    "lightgbm": {"trees": "3", "min_rows": "2"},
}
PAIR = ("image", "text")  # the modalities of `make_features`
OF_PAIR = [
    name
    for name, spec in FUSIONS.items()
    if isinstance(spec, LateFusion) or set(spec.modalities or ()) <= set(PAIR)
]
LATE = [name for name, fusion in FUSIONS.items() if isinstance(fusion, LateFusion)]


def make_features(*, shift: float = 0.0) -> Features:
    rng = np.random.default_rng(0)
    image, text = (rng.normal(size=(N_ROWS, WIDTH)).astype(np.float16) for _ in range(2))
    targets = (image[:, :N_LABELS] + text[:, :N_LABELS] > shift).astype(np.uint8)
    image[3], text[5] = np.nan, np.nan
    return Features(
        ids=tuple(f"{row}.jpg" for row in range(N_ROWS)),
        embeddings={"image": (image,), "text": (text,)},
        targets=targets,
        labels=("1", "2", "3"),
        prompts=(np.eye(N_LABELS, WIDTH, dtype=np.float32),),
    )


def with_joint(features: Features) -> Features:
    """The same rows with a joint vector: the mean of image and text, where a row has both."""
    (image,), (text,) = (features.embeddings[name] for name in PAIR)
    return replace(features, embeddings={**features.embeddings, "joint": ((image + text) / 2,)})


def make_model(
    head: str, fusion: str, *, loss: str = "bce", **settings: str
) -> HeadModel | StackedModel:
    texts = {**QUICK.get(head, {}), **settings}
    if fusion in ("late-sum", "mixed"):
        texts = {"decision.epochs": "2", "decision.hidden": "8", **texts}
    kind = StackedModel if fusion in LATE else HeadModel
    return kind.make(head=head, fusion=fusion, loss=loss, settings=texts)


def make_stacked(head: str, fusion: str, **settings: str) -> StackedModel:
    model = make_model(head, fusion, **settings)
    assert isinstance(model, StackedModel)
    return model


def make_single(head: str, fusion: str, **settings: str) -> HeadModel:
    model = make_model(head, fusion, **settings)
    assert isinstance(model, HeadModel)
    return model


def predict(model: Model, features: Features) -> np.ndarray:
    return model.predict_proba({(): features})


def out_of_fold(model: Model, features: Features, checkpoints: Path | None = None) -> np.ndarray:
    assert features.targets is not None
    folds = make_folds(features.targets, n_folds=N_FOLDS, seed=0)
    scores = np.full(features.targets.shape, np.nan, dtype=np.float32)
    for fold, rows, probabilities in model.cross_validate(
        features, Folds(folds), checkpoints=checkpoints
    ):
        np.testing.assert_array_equal(rows, np.flatnonzero(folds == fold))
        assert np.isnan(scores[rows]).all()
        scores[rows] = probabilities
    return scores


def fuse_rows(features: Features, rows: np.ndarray) -> np.ndarray:
    values: np.ndarray = fuse(features, "concat").values[rows]
    return values
