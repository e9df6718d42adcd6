"""Modules of torch give the probabilities of the models that they stand for, also on odd rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mmfeat.core.plugins import resolve
from mmfeat.errors import FitError
from mmfeat.fit.fusion import FUSIONS, FeatureFusion, matrix, prompted_fusions
from mmfeat.fit.fusion.rows import ModalityRows
from mmfeat.fit.heads import HEADS
from mmfeat.fit.models.ensemble import Ensemble
from mmfeat.fit.models.model import Model, Reads
from mmfeat.types import Features, FloatArray, Fused
from tests.support.fits.models import (
    OF_PAIR,
    make_features,
    make_model,
    out_of_fold,
    predict,
    with_joint,
)

pytest.importorskip("onnxscript", reason="needs mmfeat[onnx]")

import torch

from mmfeat.export.onnx import fusing, scores
from mmfeat.export.onnx.fusing import Fusing
from mmfeat.export.onnx.heads import MODULES, module_of
from mmfeat.export.onnx.inputs import Inputs
from mmfeat.export.onnx.models import module_of_model

OPTIONS = {"final": "average"}
TYPICAL = ("concat", "gated", "late-sum")
KNOWN = [
    name
    for name in OF_PAIR
    if (spec := FUSIONS[name]).kind != "learned"
    and spec.function in {*fusing.FUNCTIONS, *scores.FUNCTIONS}
]
CASES = [
    *(("logreg", name, OPTIONS) for name in KNOWN),
    *(("mlp", name, {}) for name in TYPICAL),
    *(("gmlp", name, {}) for name in TYPICAL),
    ("mlp", "bilinear", {"members": "3"}),
    ("gmlp", "mean", {"tokens": "1", "gate": "channel", "final": "average"}),
    ("logreg", "sum", {"normalise": "false"}),
    *(("zeroshot", name, {}) for name in (*prompted_fusions(), "late-mean")),
]


def odd_features() -> Features:
    """Rows of zeros, tiny and huge ones, and rows that lack one modality or both."""
    features = make_features()
    image, text = (features.embeddings[name][0].astype(np.float32) for name in ("image", "text"))
    image[7], image[8], text[8], text[9] = 0, 1e-25, 1e25, np.inf
    image[10], text[10] = np.nan, np.nan
    return replace(features, embeddings={"image": (image,), "text": (text,)})


def by_torch(model: Model, features: Features) -> np.ndarray:
    rows = {
        name: tuple(map(torch.from_numpy, parts)) for name, parts in features.embeddings.items()
    }
    with torch.no_grad():
        found: torch.Tensor = module_of_model(model).eval()({(): rows})
    return found.numpy()


def fitted(head: str, fusion: str, **settings: str) -> Model:
    model = make_model(head, fusion, **settings)
    features = make_features()
    assert features.targets is not None
    targets = np.column_stack([features.targets, np.zeros_like(features.targets[:, :1])])
    prompts = (np.eye(4, features.prompts[0].shape[1], dtype=np.float32),)
    constant = replace(features, targets=targets, labels=("1", "2", "3", "4"), prompts=prompts)
    out_of_fold(model, constant)
    return model.fit(constant)


@pytest.mark.parametrize(("head", "fusion", "settings"), CASES)
def test_modules_give_the_probabilities_of_models(
    head: str, fusion: str, settings: dict[str, str]
) -> None:
    model, features = fitted(head, fusion, **settings), odd_features()
    expected = predict(model, features)
    found = by_torch(model, features)
    assert found.dtype == np.float32 and found.shape == expected.shape == (45, 4)
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("fusion", ["joint", "late-stack"])
def test_joint_vectors(fusion: str) -> None:
    model, features = make_model("logreg", fusion), with_joint(make_features())
    out_of_fold(model, features)
    model.fit(features)
    np.testing.assert_allclose(by_torch(model, features), predict(model, features), atol=2e-6)


@pytest.mark.parametrize("average", ["probability", "logit"])
def test_ensembles(average: str) -> None:
    models = (fitted("logreg", "text"), fitted("mlp", "late-stack"))
    weights = np.array([0.3, 0.7])
    model = Ensemble(runs={}, average=average, weights_=weights, models_=models)
    features = odd_features()
    np.testing.assert_allclose(by_torch(model, features), predict(model, features), atol=2e-6)


def test_a_fusion_without_a_function_in_torch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def own(rows: ModalityRows) -> Fused[FloatArray]:
        return matrix.add(rows)

    spec = FeatureFusion(summary="own", function=own)
    monkeypatch.setitem(FUSIONS, "own", spec)
    with pytest.raises(FitError, match="own is not one of them; write its function in torch"):
        Fusing("own", normalise=True)


def test_every_head_has_a_module_or_is_refused() -> None:
    for name in HEADS:
        head = resolve(name, HEADS, "head")()
        if not {cls.__name__ for cls in type(head).__mro__} & set(MODULES):
            with pytest.raises(FitError, match=f"the head {name} .*; export a bundle with --to"):
                module_of(head)


def test_inputs_are_named_by_modality_and_where_needed_by_feature_set() -> None:
    one, parts = make_features(), {"modalities": ["image", "text"]}
    seen: dict[str, Any] = {"modalities": ("image", "text")}
    assert Inputs.of([Reads(stores=(parts,), **seen)], {(): one}).widths == {"image": 6, "text": 6}
    text = Reads(stores=(parts,), modalities=("text",))
    assert Inputs.of([text], {(): one}).widths == {"text": 6}, "it does not look at images"
    joined = replace(
        one, embeddings={"image": one.embeddings["image"] * 2, "text": one.embeddings["text"]}
    )
    sets = ("clip", "dino")
    both = Inputs.of(
        [
            Reads(features=sets, stores=(parts, {"modalities": ["image"]}), **seen),
            Reads(features=("clip",), stores=(parts,), **seen),
        ],
        {sets: joined, ("clip",): one},
    )
    assert list(both.widths) == ["clip_image", "dino_image", "clip_text"]
    assert both.places[sets] == {"image": ("clip_image", "dino_image"), "text": ("clip_text",)}
    assert set(both.feed({sets: joined, ("clip",): one})) == set(both.widths)
