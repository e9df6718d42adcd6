"""Fusions: what each gives, and rows that lack a modality."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmfeat.errors import FitError, PluginError
from mmfeat.fit.fusion import (
    FUSIONS,
    FeatureFusion,
    LateFusion,
    LearnedFusion,
    prompted_fusions,
    sources_of,
)
from mmfeat.fit.fusion.fuse import fuse
from mmfeat.fit.fusion.matrix import side_by_side
from mmfeat.fit.fusion.rows import count_missing
from mmfeat.fit.heads import HEADS
from mmfeat.fit.heads.torch.fusing import MODULES
from mmfeat.types import Features
from tests.support.fits.models import OF_PAIR

N_ROWS, WIDTH = 12, 8
MATRIX = [name for name in OF_PAIR if FUSIONS[name].kind != "late"]


def make_features(*, image_dim: int = WIDTH, parts: int = 1, scale: float = 1.0) -> Features:
    rng = np.random.default_rng(0)

    def draw(width: int) -> np.ndarray:
        return (rng.normal(size=(N_ROWS, width)) * scale).astype(np.float16)

    return Features(
        ids=tuple(f"{row}.jpg" for row in range(N_ROWS)),
        embeddings={
            "image": tuple(draw(image_dim) for _ in range(parts)),
            "text": tuple(draw(WIDTH) for _ in range(parts)),
        },
        targets=None,
        labels=(),
    )


def unit(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    out: np.ndarray = x / np.linalg.norm(x, axis=1, keepdims=True)
    return out


@pytest.mark.parametrize("fusion", MATRIX)
def test_every_fusion_equals_its_formula(fusion: str) -> None:
    features = make_features()
    image, text = (unit(features.embeddings[modality][0]) for modality in ("image", "text"))
    both = np.hstack([image, text])
    expected = {
        "image": image,
        "text": text,
        "sum": image + text,
        "mean": (image + text) / 2,
        "product": image * text,
        "max": np.maximum(image, text),
        "absdiff": np.abs(image - text),
        "concat-product": np.hstack([both, image * text]),
    }
    fused = fuse(features, fusion)
    assert fused.values.dtype == np.float32
    assert sum(fused.blocks) == fused.values.shape[1]
    np.testing.assert_allclose(fused.values, expected.get(fusion, both), atol=1e-6)


def test_concat_has_one_block_per_modality() -> None:
    assert fuse(make_features(image_dim=5, parts=2), "concat").blocks == (10, 16)


def test_parts_are_normalised_one_by_one() -> None:
    features = make_features(parts=2)
    values = fuse(features, "image").values
    np.testing.assert_allclose(values[:, WIDTH:], unit(features.embeddings["image"][1]), atol=1e-6)


def test_normalise_off_takes_the_embeddings_as_stored() -> None:
    features = make_features(scale=1e4)
    values = fuse(features, "image", normalise=False).values
    np.testing.assert_array_equal(values, features.embeddings["image"][0].astype(np.float32))


@pytest.mark.parametrize("fusion", MATRIX)
def test_rows_that_lack_a_modality_are_finite(fusion: str) -> None:
    features = make_features()
    features.embeddings["image"][0][3] = np.nan
    features.embeddings["text"][0][3:5] = np.nan
    values = fuse(features, fusion).values
    assert np.isfinite(values).all()
    assert not values[3].any()  # neither modality: nothing is known about the row


@pytest.mark.parametrize("fusion", ["sum", "mean", "max"])
def test_a_lone_modality_stands_for_both(fusion: str) -> None:
    features = make_features()
    features.embeddings["image"][0][2] = np.nan
    np.testing.assert_allclose(
        fuse(features, fusion).values[2], unit(features.embeddings["text"][0])[2], atol=1e-6
    )


@pytest.mark.parametrize("fusion", ["product", "absdiff"])
def test_nothing_is_compared_with_a_missing_modality(fusion: str) -> None:
    features = make_features()
    features.embeddings["image"][0][2] = np.nan
    assert not fuse(features, fusion).values[2].any()


def test_missing_rows_are_counted() -> None:
    features = make_features(parts=2)
    features.embeddings["image"][0][:2] = np.nan
    features.embeddings["image"][1][1:3] = np.nan  # only row 1 lacks both parts
    assert count_missing(features) == {"image": 1, "text": 0}


def test_infinite_embeddings_count_as_missing() -> None:
    features = make_features()
    features.embeddings["text"][0][0, 0] = np.inf
    assert count_missing(features)["text"] == 1
    assert np.isfinite(fuse(features, "concat").values).all()


@pytest.mark.parametrize("fusion", ["sum", "mean", "product", "max", "absdiff", "concat-product"])
def test_unequal_widths_are_told(fusion: str) -> None:
    with pytest.raises(FitError, match="5 and 8"):
        fuse(make_features(image_dim=5), fusion)


def test_a_missing_modality_is_told() -> None:
    features = make_features()
    only_text = replace(features, embeddings={"text": features.embeddings["text"]})
    assert count_missing(only_text) == {"text": 0}
    with pytest.raises(FitError, match="two or more modalities; the store has text"):
        fuse(only_text, "concat")


def test_unknown_and_late_fusions_are_refused() -> None:
    with pytest.raises(PluginError, match="concat"):
        fuse(make_features(), "nonsense")
    with pytest.raises(FitError, match="late-sum"):
        fuse(make_features(), "late-sum")


def test_a_single_modality_is_not_joined() -> None:
    features = make_features()
    only_image = replace(features, embeddings={"image": features.embeddings["image"]})
    with pytest.raises(FitError, match="needs text embeddings"):
        fuse(only_image, "text")
    for fusion in ("concat", "product", "gated"):
        with pytest.raises(FitError, match="the store has image"):
            fuse(only_image, fusion)


def with_audio() -> tuple[Features, list[np.ndarray]]:
    features = make_features()
    audio = np.random.default_rng(1).normal(size=(N_ROWS, WIDTH)).astype(np.float16)
    image, text = (features.embeddings[modality][0] for modality in ("image", "text"))
    audio[2], image[3], text[3] = np.nan, np.nan, np.nan
    image[4], text[4], audio[4] = np.nan, np.nan, np.nan
    three = {**features.embeddings, "audio": (audio,)}
    units = [np.nan_to_num(unit(part)) for part in (image, text, audio)]
    return replace(features, embeddings=three), units


def test_fusions_of_all_modalities_join_three() -> None:
    features, units = with_audio()
    there = np.array([rows.any(axis=1) for rows in units])
    largest = np.where(there[:, :, None], units, -np.inf).max(axis=0)
    expected = {
        "concat": np.hstack(units),
        "sum": np.sum(units, axis=0),
        "mean": np.sum(units, axis=0) / np.maximum(there.sum(axis=0), 1)[:, None],
        "product": np.prod(units, axis=0),
        "max": np.where(np.isfinite(largest), largest, 0),
        "concat-product": np.hstack([*units, np.prod(units, axis=0)]),
    }
    for fusion, values in expected.items():
        np.testing.assert_allclose(fuse(features, fusion).values, values, atol=1e-6)
    assert fuse(features, "concat").blocks == (WIDTH,) * 3


@pytest.mark.parametrize(
    "fusion", [name for name, spec in FUSIONS.items() if "two" in spec.summary]
)
def test_fusions_of_two_modalities_refuse_three(fusion: str) -> None:
    with pytest.raises(FitError, match="joins two modalities; the store has image, text, audio"):
        fuse(with_audio()[0], fusion)


def test_every_fusion_names_what_there_is() -> None:
    for name, spec in FUSIONS.items():
        if isinstance(spec, LearnedFusion):
            assert spec.module in MODULES
        if isinstance(spec, LateFusion):
            assert all(isinstance(FUSIONS[source], FeatureFusion) for source in spec.sources)
            assert spec.meta_learner is None or spec.meta_learner.head in HEADS
        assert sources_of(name) == getattr(spec, "sources", (name,))


def test_a_new_fusion_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = FeatureFusion(summary="the audio alone", function=side_by_side, modalities=("audio",))
    monkeypatch.setitem(FUSIONS, "audio", audio)
    features, (_, _, rows) = with_audio()
    np.testing.assert_allclose(fuse(features, "audio").values, rows, atol=1e-6)


def test_only_rows_in_the_space_of_the_encoder_are_compared_with_prompts() -> None:
    features = replace(make_features(), prompts=(np.eye(3, WIDTH, dtype=np.float32),))
    for fusion in prompted_fusions():
        for required in (True, False):
            fused = fuse(features, fusion, prompts=required)
            assert fused.prompts is not None and fused.prompts.shape == (3, sum(fused.blocks))
    assert fuse(features, "product").prompts is None
    with pytest.raises(FitError, match="product are not in it"):
        fuse(features, "product", prompts=True)


@given(scale=st.floats(1e-3, 1e3), fusion=st.sampled_from(MATRIX))
def test_normalised_fusions_do_not_see_the_scale(scale: float, fusion: str) -> None:
    plain = fuse(make_features(), fusion).values
    scaled = fuse(make_features(scale=scale), fusion).values
    np.testing.assert_allclose(plain, scaled, atol=2e-2)  # float16 of small numbers is coarse


@pytest.mark.parametrize("normalise", [True, False])
def test_rows_are_the_same_without_torch(monkeypatch: pytest.MonkeyPatch, normalise: bool) -> None:
    features = make_features(parts=2)
    features.embeddings["image"][1][0] = np.nan
    features.embeddings["image"][1][1] = 1e-7  # less than float16 has in full
    whole = fuse(features, "concat", normalise=normalise).values
    monkeypatch.delitem(sys.modules, torch.__name__)
    again = fuse(features, "concat", normalise=normalise).values
    np.testing.assert_array_equal(again, whole, strict=True)
