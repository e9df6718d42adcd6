"""Which encoder a model name means, and loading it."""

from __future__ import annotations

from typing import cast

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


def load_encoder(model: str, *, pretrained: str, precision: str, device: str) -> Encoder:
    """Load `model`: a name of `ENCODERS`, or any model name of open_clip.

    `pretrained` is a tag of open_clip, a file (.safetensors, or .pt with nothing but weights)
    or ``random``; the bundled encoder takes only ``random`` or its own weights. `precision` is
    auto, fp32, bf16 or fp16. Raises `EncoderError` if model, weights or device are unavailable.
    """
    name = model if model in ENCODERS and model != "open_clip" else "open_clip"
    load = resolve(name, ENCODERS, "encoder")
    return cast("Encoder", load(model, pretrained=pretrained, precision=precision, device=device))
