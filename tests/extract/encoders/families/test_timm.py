"""Models of timm: the plain loop of timm gives the same vectors, from the same local weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform

import mmfeat
from mmfeat.errors import EncoderError
from mmfeat.extract.encoders import Encoder, load_encoder
from mmfeat.extract.encoders.load import describe_weights, find_weights
from mmfeat.store.reader import FeatureStore
from tests.support.stage_one.toy import make_table

NAME = "test_resnet"  # the smallest of timm, for tests
SIZE = 160


def load(model: str = f"timm:{NAME}", pretrained: str = "random") -> Encoder:
    return load_encoder(model, pretrained=pretrained, precision="fp32", device="cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as timm saves it, of a model with random weights and three classes."""
    folder = tmp_path_factory.mktemp("timm")
    torch.manual_seed(3)
    model = timm.create_model(NAME, num_classes=3)
    save_file(model.state_dict(), folder / "model.safetensors")
    about = {"architecture": NAME, "pretrained_cfg": {"mean": [0.4, 0.5, 0.6], "crop_pct": 0.8}}
    (folder / "config.json").write_text(json.dumps(about))
    return folder


def test_the_vectors_are_those_of_the_plain_loop(tmp_path: Path, weights: Path) -> None:
    table, out = make_table(tmp_path, n_rows=7), tmp_path / "w" / "features" / "table.h5"
    mmfeat.extract(
        table.source,
        images=tmp_path / "images",
        workspace=tmp_path / "w",
        model=f"timm:{NAME}",
        pretrained=str(weights),
        precision="fp32",
        dtype="float32",
        batch_size=3,
        workers=0,
    )
    plain = timm.create_model(
        NAME,
        pretrained=True,
        num_classes=0,
        pretrained_cfg_overlay={
            "file": str(weights / "model.safetensors"),
            "mean": (0.4, 0.5, 0.6),
            "crop_pct": 0.8,
        },
    ).eval()
    data = resolve_model_data_config(plain)  # type: ignore[no-untyped-call]
    transform = create_transform(**data, is_training=False)
    with FeatureStore.open(out) as store, torch.inference_mode():
        assert store.modalities == ("image",)
        found = store.embeddings("image")
        for name, row in reversed(list(zip(store.image_paths, found, strict=True))):
            with Image.open(tmp_path / "images" / name) as picture:
                (wanted,) = plain(transform(picture.convert("RGB"))[None]).numpy()
            cosine = row @ wanted / np.linalg.norm(row) / np.linalg.norm(wanted)
            assert cosine >= 1 - 1e-5
        told = store.provenance["encoder"]
    assert (told["name"], told["pretrained"]) == (f"timm:{NAME}", weights.name)
    assert (
        told["preprocessing"]["scaled"] == [200, 200] and told["preprocessing"]["size"] == [160] * 2
    )
    again = load(pretrained=f"{told['pretrained']}={weights / 'model.safetensors'}")  # a bundle
    assert again.provenance["weights_sha256"] == told["weights_sha256"]


def test_batches_and_random_weights() -> None:
    encoder, other = load(), load()
    assert encoder.provenance["weights_sha256"] == other.provenance["weights_sha256"]
    assert describe_weights(f"timm:{NAME}", "random").startswith("drawn at random")
    pixels = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), np.uint8)
    whole = encoder.encode_images(pixels)
    parts = np.concatenate(list(encoder.encode_image_batches([pixels[4:], pixels[:4]])))
    np.testing.assert_allclose(parts, whole[[4, 0, 1, 2, 3]], atol=1e-5)
    with pytest.raises(EncoderError, match="gives image, not text"):
        encoder.tokenize(["a caption"])


@pytest.mark.parametrize(
    ("model", "pretrained", "told"),
    [
        ("timm:resnet5", "auto", "timm:resnet50"),
        ("timm:resnet50.nonsense", "auto", "a1_in1k"),
        ("timm:resnet50", "nonsense", "a1_in1k"),
        ("tim:resnet50", "auto", "timm:resnet50"),
        ("timm:", "auto", "timm:"),
    ],
)
def test_an_unknown_name_is_one_error_with_a_suggestion(
    model: str, pretrained: str, told: str
) -> None:
    with pytest.raises(EncoderError, match=told):
        load(model, pretrained)


def test_weights_that_do_not_belong_are_one_error(tmp_path: Path, weights: Path) -> None:
    other = tmp_path / "other.safetensors"
    model = timm.create_model(NAME, num_classes=3).state_dict()
    model.pop("conv1.weight", None) or model.pop(next(iter(model)))
    save_file(model, other)
    torch.save(Path("not-a-tensor"), tmp_path / "harm.pt")
    for path, told in ((other, "belong to the model"), (tmp_path / "harm.pt", "harm.pt")):
        with pytest.raises(EncoderError, match=told):
            load(pretrained=str(path))
    shutil.copyfile(weights / "model.safetensors", tmp_path / "second.safetensors")
    with pytest.raises(EncoderError, match="has 2"):
        load(pretrained=str(tmp_path))


def test_without_network_and_cache_the_error_names_the_local_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderError, match="--pretrained FILE"):
        find_weights("timm:resnet50", "auto")
    assert "apache-2.0" in describe_weights("timm:resnet50", "auto")
