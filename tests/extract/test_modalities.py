"""Encoders of one modality: nothing of the other is needed, and what they lack is one error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmfeat.config import ExtractSettings
from mmfeat.errors import EncoderError, ExtractError, MmfeatError
from mmfeat.extract import extract_table
from mmfeat.extract.encoders import load_encoder
from mmfeat.extract.plan import make_plan
from mmfeat.store.reader import FeatureStore
from tests.support.stage_one.toy import SETTINGS, ToyEncoder, make_table


class Pictures(ToyEncoder):
    """Gives pictures alone."""

    dims, batch_sizes = {"image": 6}, {"image": 4}


class Captions(ToyEncoder):
    """Gives captions alone."""

    dims, batch_sizes = {"text": 6}, {"text": 4}
    preprocessing = None  # type: ignore[assignment]


@pytest.mark.parametrize("engine", ["local", "torchrun"])
@pytest.mark.parametrize("encoder", [Pictures(), Captions()])
def test_an_encoder_of_one_modality_needs_nothing_of_the_other(
    tmp_path: Path, encoder: ToyEncoder, engine: str
) -> None:
    table, out = make_table(tmp_path), tmp_path / "a.h5"
    images = tmp_path / ("images" if "image" in encoder.dims else "there-is-none")
    settings = replace(SETTINGS, engine=engine)
    extract_table(table, images=images, encoder=encoder, out=out, settings=settings)
    with FeatureStore.open(out) as store:
        assert store.modalities == tuple(encoder.dims)
        assert store.provenance["batch"] == dict.fromkeys(encoder.dims, 4)
        (modality,) = store.modalities
        extract_table(
            table,
            images=tmp_path / "images",
            encoder=ToyEncoder(),
            out=tmp_path / "both.h5",
            settings=SETTINGS,
        )
        with FeatureStore.open(tmp_path / "both.h5") as both:
            assert np.array_equal(
                store.embeddings(modality), both.embeddings(modality), equal_nan=True
            )


@pytest.mark.parametrize(
    ("encoder", "changes", "error", "told"),
    [
        (Pictures(), {"modalities": ("image", "text")}, EncoderError, "gives image, not text"),
        (Captions(), {"modalities": ("image",)}, EncoderError, "use --modalities text"),
        (Captions(), {"text": ""}, ExtractError, "--text-col$"),
    ],
)
def test_what_it_lacks_is_one_error(
    tmp_path: Path,
    encoder: ToyEncoder,
    changes: dict[str, object],
    error: type[MmfeatError],
    told: str,
) -> None:
    table = make_table(tmp_path)
    if "text" in changes:
        table = replace(table, captions=None)
    settings = replace(SETTINGS, **{k: v for k, v in changes.items() if k != "text"})  # type: ignore[arg-type]
    with pytest.raises(error, match=told):
        extract_table(
            table,
            images=tmp_path / "images",
            encoder=encoder,
            out=tmp_path / "a.h5",
            settings=settings,
        )
    assert not (tmp_path / "a.h5").exists()


def test_label_prompts_of_a_project_are_left_out_where_there_is_no_text(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    extract_table(
        make_table(tmp_path),
        images=tmp_path / "images",
        encoder=Pictures(),
        out=tmp_path / "a.h5",
        settings=replace(SETTINGS, label_prompts="p.txt"),
    )
    assert "gives no text: label prompts are left out" in caplog.text


def test_the_provenance_of_two_towers_stays(tmp_path: Path) -> None:
    """Stores of earlier versions go on: their provenance is compared with what is made now."""
    encoder = load_encoder("tiny-demo", pretrained="", precision="fp32", device="cpu")
    plan = make_plan(
        make_table(tmp_path),
        images=tmp_path / "images",
        encoder=encoder,
        settings=ExtractSettings(modalities=("image",)),
    )
    assert plan.provenance["batch"] == {"image": 64, "text": 256}
    assert plan.provenance["modalities"] == ["image"]
    assert {k: v for k, v in encoder.provenance.items() if k != "libraries"} == {
        "name": "tiny-demo",
        "weights_sha256": "686209bc47f954300ef7ddcffeb8aa3f449329fb8327147d6842d1302c93dac3",
        "preprocessing": {
            "size": [64, 64],
            "resize_mode": "squash",
            "interpolation": "bicubic",
            "fill": 0,
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
        },
        "tokenizer": "SimpleTokenizer",
        "context_length": 40,
        "precision": "fp32",
        "device": "cpu",
    }
