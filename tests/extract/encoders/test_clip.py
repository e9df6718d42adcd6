"""Models of open_clip: cutting captions is exact where it is used, precision is close."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from open_clip import CLIP, CoCa, CustomTextCLIP, SimpleTokenizer
from open_clip.hf_model import HFTextEncoder

from mmfeat.extract.encoders import Encoder, Preprocessing, load_encoder
from mmfeat.extract.encoders.clip import ClipEncoder
from mmfeat.extract.encoders.families.open_clip_model import cuttable_tower
from tests.support.stage_one.toy import ODD_CAPTIONS

VISION: dict[str, object] = {
    "image_size": 32,
    "layers": 1,
    "width": 32,
    "head_width": 16,
    "patch_size": 16,
}
TEXT: dict[str, object] = {"context_length": 77, "width": 32, "heads": 2, "layers": 2}


def wrap(model: torch.nn.Module, *, precision: str = "fp32", context: int = 77) -> ClipEncoder:
    return ClipEncoder(
        model,
        text_tower=cuttable_tower(model),
        tokenizer=SimpleTokenizer(context_length=context),
        preprocessing=Preprocessing(size=(32, 32), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4)),
        origin={"name": "test"},
        precision=precision,
        device=torch.device("cpu"),
    )


def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    result: NDArray[np.float32] = (a * b).sum(axis=1) / norms
    return result


TOWERS: dict[str, tuple[type[torch.nn.Module], dict[str, object], bool]] = {
    "CLIP": (CLIP, TEXT, True),
    "CustomTextCLIP": (CustomTextCLIP, TEXT, True),
    "linear projection": (CustomTextCLIP, {**TEXT, "proj_bias": True}, True),
    "no projection": (CustomTextCLIP, {**TEXT, "proj_type": "none", "width": 64}, True),
    "SigLIP": (CustomTextCLIP, {**TEXT, "no_causal_mask": True, "pool_type": "last"}, False),
    "causal, last": (CustomTextCLIP, {**TEXT, "pool_type": "last"}, False),
    "bidirectional": (CustomTextCLIP, {**TEXT, "no_causal_mask": True}, False),
    "class token": (
        CustomTextCLIP,
        {**TEXT, "context_length": 76, "embed_cls": True, "pool_type": "argmax"},
        False,
    ),
}


@pytest.mark.parametrize("tower", TOWERS)
def test_cut_captions_equal_the_uncut_tower(tower: str) -> None:
    kind, text, is_cut = TOWERS[tower]
    torch.manual_seed(0)
    context = int(str(text["context_length"]))
    model: Any = kind(embed_dim=64, vision_cfg=VISION, text_cfg=text)
    encoder = wrap(model, context=context)
    assert (encoder._text_tower is not None) == is_cut
    for captions in (ODD_CAPTIONS, ODD_CAPTIONS[:2], ODD_CAPTIONS[2:3]):
        with torch.inference_mode():
            tokens = SimpleTokenizer(context_length=context)(captions)
            wanted = model.encode_text(tokens).numpy()
        found = encoder.encode_tokens(encoder.tokenize(captions).tokens)
        assert cosine(found, wanted).min() >= 1 - 1e-6


def assert_whole(model: Any, *, context: int) -> None:
    """The tower is not cut, and gives what it gives by itself."""
    encoder = wrap(model, context=context)
    assert encoder._text_tower is None
    tokens = SimpleTokenizer(context_length=context)(ODD_CAPTIONS)
    with torch.inference_mode():
        wanted = model.encode_text(tokens).numpy()
    assert cosine(encoder.encode_tokens(tokens.numpy()), wanted).min() >= 1 - 1e-6


def test_coca_is_not_cut() -> None:
    torch.manual_seed(0)
    model = CoCa(
        embed_dim=32,
        multimodal_cfg={"context_length": 76, "width": 32, "heads": 2, "layers": 1},
        text_cfg={**TEXT, "context_length": 76, "embed_cls": True, "output_tokens": True},
        vision_cfg={**VISION, "attentional_pool": True, "output_tokens": True},
    )
    assert_whole(model, context=76)


class UnknownTower(torch.nn.Module):
    """Sees every token, the padding too, as no tower of open_clip does."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(49408, 32)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        mean: torch.Tensor = self.embedding(tokens).mean(dim=1)
        return mean


def test_an_unknown_tower_is_not_cut() -> None:
    torch.manual_seed(0)
    model = CustomTextCLIP(embed_dim=32, vision_cfg=VISION, text_cfg=TEXT)
    model.text = UnknownTower()
    assert_whole(model, context=77)


def test_a_tower_of_hugging_face_is_not_cut() -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.RobertaConfig(
        vocab_size=49408,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=100,
        pad_token_id=0,
    )
    model = CustomTextCLIP(embed_dim=32, vision_cfg=VISION, text_cfg=TEXT)
    model.text = HFTextEncoder("made-up", 32, config=config, pooler_type="mean_pooler")
    assert_whole(model, context=77)


def test_pixels_are_normalised_as_open_clip_does() -> None:
    torch.manual_seed(0)
    model = CLIP(embed_dim=64, vision_cfg=VISION, text_cfg=TEXT).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    mean = torch.tensor((0.5, 0.4, 0.3))[:, None, None]
    std = torch.tensor((0.2, 0.3, 0.4))[:, None, None]
    with torch.inference_mode():
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
        wanted = model.encode_image((images - mean) / std).numpy()
    assert np.allclose(wrap(model).encode_images(pixels), wanted, atol=1e-5)


@pytest.fixture(scope="module")
def tiny() -> Encoder:
    return load_encoder("tiny-demo", pretrained="random", precision="fp32", device="cpu")


def test_random_weights_are_the_same_each_time_and_said_to_be_random(
    tiny: Encoder, caplog: pytest.LogCaptureFixture
) -> None:
    state = torch.random.get_rng_state()
    again = load_encoder("tiny-demo", pretrained="random", precision="fp32", device="cpu")
    assert torch.equal(state, torch.random.get_rng_state())
    assert again.provenance == tiny.provenance
    assert "carry no meaning" in caplog.text and "for demonstrations" in caplog.text
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    assert np.array_equal(tiny.encode_images(pixels), again.encode_images(pixels))
    assert tiny.encode_images(pixels).shape == (3, tiny.dims["image"])


def test_bfloat16_is_close(tiny: Encoder) -> None:
    half = load_encoder("tiny-demo", pretrained="random", precision="bf16", device="cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), np.uint8)
    assert cosine(tiny.encode_images(pixels), half.encode_images(pixels)).min() > 0.999
    tokens = tiny.tokenize(ODD_CAPTIONS).tokens
    assert cosine(tiny.encode_tokens(tokens), half.encode_tokens(tokens)).min() > 0.999
    assert tiny.provenance["precision"] == "fp32" and half.provenance["precision"] == "bf16"


def test_batches_come_one_late_in_order(tiny: Encoder) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 64, 64, 3), np.uint8)
    taken: list[int] = []

    def batches() -> Iterator[NDArray[np.uint8]]:
        for start in (0, 3, 6):
            taken.append(start)
            yield pixels[start : start + 3]

    found = []
    for values in tiny.encode_image_batches(batches()):
        found.append(values)
        assert len(taken) == min(len(found) + 1, 3)  # the next is on its way
    wanted = [tiny.encode_images(pixels[start : start + 3]) for start in (0, 3, 6)]
    assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))
    assert list(tiny.encode_image_batches([])) == []
