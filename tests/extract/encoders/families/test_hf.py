"""Models of transformers: their own plain loop gives the same vectors, from the same folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file

from mmfeat.errors import EncoderError
from mmfeat.extract.encoders import Encoder, load_encoder
from mmfeat.extract.encoders.load import describe_weights
from mmfeat.extract.images.read import resize_image
from tests.support.stage_one.saved_models import TWO_TOWERS, save_two_towers
from tests.support.stage_one.toy import ODD_CAPTIONS

transformers: Any = pytest.importorskip("transformers")


def load(folder: Path | str, pretrained: str = "auto") -> Encoder:
    return load_encoder(f"hf:{folder}", pretrained=pretrained, precision="fp32", device="cpu")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_two_towers("clip", tmp_path_factory.mktemp("clip") / "tiny")


@pytest.fixture
def copy(clip: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clip, tmp_path / "copy"))


def pictures() -> Iterator[Image.Image]:
    """Pictures whose sides leave half a pixel beside the centre, among others."""
    rng = np.random.default_rng(0)
    for width, height in ((61, 47), (40, 90), (37, 37), (300, 41), (33, 64)):
        small = Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8))
        yield small.resize((width, height), Image.Resampling.BICUBIC)


def assert_same(found: NDArray[np.float32], wanted: torch.Tensor) -> None:
    cosines = torch.nn.functional.cosine_similarity(torch.from_numpy(found), wanted)
    assert float(cosines.min()) >= 1 - 1e-5


@pytest.mark.parametrize("kind", TWO_TOWERS)
def test_the_vectors_are_those_of_the_plain_loop(kind: str, tmp_path: Path) -> None:
    folder = save_two_towers(kind, tmp_path / kind)
    encoder = load(folder)
    plain = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    padding = "max_length" if kind.startswith("siglip") else "longest"
    captions = ODD_CAPTIONS
    tokenized = encoder.tokenize(captions)
    assert tokenized.truncated.tolist() == [len(ids) > 16 for ids in tokenizer(captions).input_ids]
    assert encoder.preprocessing is not None
    pixels = []
    with torch.inference_mode():
        for at in (slice(0, 6), slice(1, 3), slice(2, 3)):  # each is cut to another length
            given = tokenizer(captions[at], padding=padding, truncation=True, return_tensors="pt")
            wanted = plain.get_text_features(**given).pooler_output
            assert_same(encoder.encode_tokens(tokenized.tokens[at]), wanted)
        for picture in pictures():
            read = resize_image(picture, preprocessing=encoder.preprocessing, max_pixels=10**6)
            assert isinstance(read, tuple)
            pixels.append(read[0])
            given = processor(picture, return_tensors="pt")
            wanted = plain.get_image_features(**given).pooler_output
            assert_same(encoder.encode_images(pixels[-1][None]), wanted)
    if kind == "siglip2":  # (height, width) of up to 12 patches, as the pictures have it
        found = [(p.shape[0] // 16, p.shape[1] // 16) for p in pixels]
        assert found == [(3, 4), (5, 2), (3, 3), (1, 8), (4, 3)]
        pixels = [np.asarray(picture.resize((64, 48))) for picture in pictures()]
    whole = encoder.encode_images(np.stack(pixels))
    parts = list(encoder.encode_image_batches([np.stack(pixels[3:]), np.stack(pixels[:3])]))
    np.testing.assert_allclose(np.concatenate(parts), whole[[3, 4, 0, 1, 2]], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda state: state.pop("visual_projection.weight"), "lack visual_projection.weight"),
        (lambda state: state.update(more=torch.zeros(2)), "no place for more"),
        (
            lambda state: state.update({"visual_projection.weight": torch.zeros(2, 3)}),
            "shape of visual_projection.weight",
        ),
    ],
)
def test_every_tensor_finds_its_place(copy: Path, change: Any, told: str) -> None:
    state = load_file(copy / "model.safetensors")
    change(state)
    save_file(state, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError, match=told):
        load(copy)


def test_only_weights_are_loaded_and_no_code_is_run(clip: Path, copy: Path, tmp_path: Path) -> None:
    file, pickled = copy / "model.safetensors", copy / "pytorch_model.bin"
    state = {name: tensor.clone() for name, tensor in load_file(file).items()}
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(EncoderError, match=r"weights are a \.safetensors file"):
        load(copy)
    file.unlink()
    with pytest.raises(EncoderError, match="has neither"):
        load(copy)
    torch.save({"tensor": tmp_path}, pickled)
    with pytest.raises(EncoderError, match="nothing but weights"):
        load(copy)
    torch.save(state, pickled)
    captions = ["a dog", "two cats"]
    found, wanted = (e.encode_tokens(e.tokenize(captions).tokens) for e in (load(copy), load(clip)))
    np.testing.assert_array_equal(found, wanted)
    (copy / "config.json").write_text(
        '{"model_type": "harm", "auto_map": {"AutoConfig": "harm.Config"}}'
    )
    (copy / "harm.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(EncoderError, match="without code of its own"):
        load(copy)
    assert not (tmp_path / "ran").exists()


def test_a_folder_elsewhere_and_random_weights(clip: Path, copy: Path) -> None:
    encoder, random, again = (
        load("owner/tiny", str(clip)),
        load(clip, "random"),
        load(clip, "random"),
    )
    told = encoder.provenance
    assert (told["name"], told["pretrained"]) == ("hf:owner/tiny", "tiny")
    assert told["weights_sha256"] != random.provenance["weights_sha256"]
    assert random.provenance == again.provenance
    assert "not stated" in describe_weights(f"hf:{clip}", "auto")
    (copy / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Tiny\n")
    assert "apache-2.0" in describe_weights(f"hf:{copy}", "auto")


def test_the_cache_of_the_hub_needs_no_network(
    clip: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    place, commit = tmp_path / "models--owner--tiny", "0" * 40
    shutil.copytree(clip, place / "snapshots" / commit)
    (place / "snapshots" / commit / "README.md").write_text("---\nlicense: mit\n---\n")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commit)
    assert load("owner/tiny").provenance["name"] == "hf:owner/tiny"
    told = describe_weights("hf:owner/tiny", "auto")
    assert told.startswith("https://huggingface.co/owner/tiny (") and "mit" in told
    (place / "snapshots" / commit / "model.safetensors").unlink()  # a part is not enough
    with pytest.raises(EncoderError, match="not cached"):
        load("owner/tiny")


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("owner/none", "hf:FOLDER"),  # not cached, no network
        ("./none", "no folder"),
        ("", "no folder"),
        ("tests", "config.json"),
    ],
)
def test_what_is_not_there_is_one_error(
    model: str, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderError, match=told):
        load(model)


def test_other_preprocessing_and_other_models_are_refused(copy: Path) -> None:
    transformers.CLIPImageProcessor(do_center_crop=False).save_pretrained(copy)
    with pytest.raises(EncoderError, match="shortest_edge"):
        load(copy)
    transformers.BertConfig().save_pretrained(copy)
    with pytest.raises(EncoderError, match="type 'bert'"):
        load(copy)
