"""Loading a model by name: weights from files, and one error for whatever fails."""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from mmfeat.errors import EncoderError
from mmfeat.extract.encoders import ENCODERS, Encoder, load_encoder, locate_weights


def load(model: str = "RN50", pretrained: str = "random", **options: str) -> Encoder:
    return load_encoder(
        model,
        pretrained=pretrained,
        precision=options.get("precision", "fp32"),
        device=options.get("device", "cpu"),
    )


@pytest.fixture
def small_model(tmp_path: Path) -> str:
    """A small model registered with open_clip under a name of its own."""
    name = "mmfeat-test-small"
    (tmp_path / f"{name}.json").write_text(
        '{"embed_dim": 32, "vision_cfg": {"image_size": 32, "layers": 1, "width": 32,'
        ' "head_width": 16, "patch_size": 16}, "text_cfg": {"context_length": 77,'
        ' "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}}'
    )
    open_clip.add_model_config(tmp_path / f"{name}.json")
    return name


def test_weights_from_files(tmp_path: Path, small_model: str) -> None:
    torch.manual_seed(5)
    model = open_clip.create_model(small_model, load_weights=False)
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    torch.save({"state_dict": model.state_dict()}, tmp_path / "w.pt")
    encoders = [load(small_model, str(tmp_path / name)) for name in ("w.safetensors", "w.pt")]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    values = [encoder.encode_images(pixels) for encoder in encoders]
    assert np.array_equal(values[0], values[1])
    sums = {encoder.provenance["weights_sha256"] for encoder in encoders}
    assert len(sums) == 2 and all(len(digest) == 64 for digest in sums)
    assert load(small_model).provenance["weights_sha256"] not in sums


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("harm-was-done",)


def test_bad_weights_end_in_one_error(
    tmp_path: Path, small_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weights": Harmful()}, tmp_path / "harm.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    (tmp_path / "text.pt").write_text("hello")
    (tmp_path / "empty.pt").touch()
    (tmp_path / "text.safetensors").write_text("hello")
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    for name in ("harm.pt", "list.pt", "text.pt", "empty.pt", "text.safetensors"):
        with pytest.raises(EncoderError, match=name):
            load(small_model, str(tmp_path / name))
    with pytest.raises(EncoderError, match="belong to the model"):
        load(small_model, str(tmp_path / "other.safetensors"))
    assert not (tmp_path / "harm-was-done").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "ViT-B-23"}, "ViT-B-32"),
        ({"pretrained": "no-such-tag"}, "its tags are openai"),
        ({"precision": "fp8"}, "fp8"),
        ({"precision": "fp16"}, "GPU"),
        ({"device": "nonsense"}, "nonsense"),
    ],
)
def test_wrong_choices_end_in_one_error(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        load(**arguments)


def test_without_network_and_cache_the_error_comes_soon_and_names_the_way_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    started = time.monotonic()
    with pytest.raises(EncoderError, match="--pretrained FILE"):
        load("ViT-B-32", "openai")
    assert time.monotonic() - started < 30  # not a claim of speed: that it does not hang


def test_the_registry_resolves() -> None:
    assert set(ENCODERS) == {"tiny-demo", "open_clip", "timm", "hf", "st"}
    assert all(plugin.summary for plugin in ENCODERS.values())


@pytest.mark.skipif(
    importlib.util.find_spec("transformers") is not None, reason="transformers is installed"
)
@pytest.mark.parametrize("model", ["ViT-B-16-SigLIP", "roberta-ViT-B-32"])
def test_a_model_that_needs_more_packages_says_so(model: str) -> None:
    with pytest.raises(EncoderError, match="pip install transformers"):
        load(model)


def test_weights_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("saved", "RN50"):
        Path(name).mkdir()
    Path("w.pt").touch()
    assert locate_weights("hf:./saved", "auto") == f"auto={tmp_path / 'saved'}"
    assert locate_weights("st:a/b", "saved") == str(tmp_path / "saved")
    assert locate_weights("RN50", "openai=w.pt") == f"openai={tmp_path / 'w.pt'}"
    for pretrained in ("auto", "openai", "random"):
        assert locate_weights("RN50", pretrained) == pretrained
