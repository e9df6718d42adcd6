"""Which encoder a model name means, and loading it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

from mmfeat.core.plugins import Plugin, resolve
from mmfeat.extract.encoders.base import Encoder

ENCODERS: dict[str, Plugin] = {
    "tiny-demo": Plugin(
        "mmfeat.extract.encoders.tiny_demo:load",
        "small CLIP trained on synthetic scenes, bundled with the package",
    ),
    "open_clip": Plugin(
        "mmfeat.extract.encoders.open_clip_model:load", "any model of open_clip, e.g. ViT-L-14"
    ),
}


def family_of(model: str) -> str:
    """The name in `ENCODERS` that a model belongs to."""
    return model if model in ENCODERS and model != "open_clip" else "open_clip"


def load_encoder(model: str, *, pretrained: str, precision: str, device: str) -> Encoder:
    """Load `model`: a name of `ENCODERS`, or any model name of open_clip.

    `pretrained` is a tag of open_clip, a file (.safetensors, or .pt with nothing but weights),
    ``TAG=FILE`` for a file with the weights of a tag, or ``random``;
    the bundled encoder takes only ``random`` or its own weights. `precision` is
    auto, fp32, bf16 or fp16. Raises `EncoderError` if model, weights or device are unavailable.
    """
    load = resolve(family_of(model), ENCODERS, "encoder")
    return cast("Encoder", load(model, pretrained=pretrained, precision=precision, device=device))


def find_weights(model: str, pretrained: str) -> Path | None:
    """Find the file of a model's weights, or download it.

    None for weights that come with the package or are drawn at random: they are in no file of
    their own. The module of a family says where they are in a function of the same name.
    Raises `EncoderError` where they are not to be had.
    """
    find = _of_family(model, "find_weights")
    return None if find is None or pretrained == "random" else cast("Path", find(model, pretrained))


def describe_weights(model: str, pretrained: str) -> str:
    """Say where the weights come from, e.g. their address; a function of the family's module."""
    if pretrained == "random":
        return "drawn at random from a fixed seed"
    describe = _of_family(model, "describe_weights")
    return "the package mmfeat" if describe is None else str(describe(model, pretrained))


def _of_family(model: str, function: str) -> Any:
    load = resolve(family_of(model), ENCODERS, "encoder")
    return getattr(sys.modules[load.__module__], function, None)
