"""Which encoder a model name means, and loading it."""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from mmfeat.config import AUTO
from mmfeat.core.plugins import Plugin, resolve
from mmfeat.errors import EncoderError
from mmfeat.extract.encoders.base import Encoder
from mmfeat.extract.encoders.weights.place import split_tag

DEMO = "tiny-demo"  # a toy: it knows made-up scenes only


@dataclass(frozen=True)
class Family(Plugin):
    """A family of encoders: its module's `load`, a line about it, and how its models are named.

    With `prefix`, its name stands before that of a model: ``FAMILY:NAME``; with `folder`, that may
    be a folder. With `joint`, it has models that read a picture and a caption together, and `load`
    takes `joint_pool` as well.
    """

    prefix: bool = True
    folder: bool = False
    joint: bool = False


ENCODERS: dict[str, Family] = {
    DEMO: Family(
        "mmfeat.extract.encoders.families.tiny_demo:load",
        "small CLIP trained on synthetic scenes, bundled with the package",
        prefix=False,
    ),
    "open_clip": Family(
        "mmfeat.extract.encoders.families.open_clip_model:load",
        "two towers of open_clip, e.g. ViT-L-14 or open_clip:ViT-L-14",
    ),
    "timm": Family(
        "mmfeat.extract.encoders.families.timm_model:load",
        "images by timm, e.g. timm:resnet101.a1_in1k",
    ),
    "hf": Family(
        "mmfeat.extract.encoders.families.hf:load",
        "pictures and captions, e.g. hf:google/siglip2-base-patch16-224",
        extra="hf",
        folder=True,
        joint=True,
    ),
    "st": Family(
        "mmfeat.extract.encoders.families.st:load",
        "mostly captions, e.g. st:sentence-transformers/all-MiniLM-L6-v2",
        extra="st",
        folder=True,
    ),
}


def family_of(model: str) -> str:
    """The name in `ENCODERS` that a model belongs to; raises `EncoderError` for an unknown one."""
    return split_model(model)[0]


def split_model(model: str) -> tuple[str, str]:
    """The family of a model and its name there, e.g. ``timm:resnet50`` or ``ViT-L-14``."""
    if model in ENCODERS and not ENCODERS[model].prefix:
        return model, model
    families = [name for name, family in ENCODERS.items() if family.prefix]
    family, colon, name = model.partition(":")
    if not colon:
        return "open_clip", model
    if family in families:
        return family, name
    (close, *_) = difflib.get_close_matches(family, families, n=1) or ["open_clip"]
    raise EncoderError(
        f"the family before the colon of --model is one of {', '.join(families)}",
        f"{model!r} has {family!r}",
        f"use e.g. {close}:{name}, or see `mmfeat list encoders`",
    )


def load_encoder(
    model: str, *, pretrained: str, precision: str, device: str, joint_pool: str = AUTO
) -> Encoder:
    """Load `model`: a name of `ENCODERS`, ``FAMILY:NAME``, or any model name of open_clip.

    `pretrained` is a tag of the family, a file (.safetensors, or .pt with nothing but weights), the
    folder of a model, ``TAG=FILE`` for a file with the weights of a tag, ``random``, or ``auto``;
    the bundled encoder takes only ``random`` or its own weights. `precision` is auto, fp32, bf16
    or fp16. `joint_pool` says how a model that reads a picture and a caption together makes one
    vector. Raises `EncoderError` if model, weights or device are unavailable.
    """
    family, name = split_model(model)
    load = resolve(family, ENCODERS, "encoder")
    pool = {} if joint_pool == AUTO else {"joint_pool": joint_pool}
    if pool and not ENCODERS[family].joint:
        raise no_pool(f"{model} is none")
    found = load(name, pretrained=pretrained, precision=precision, device=device, **pool)
    return cast("Encoder", found)


def no_pool(found: str) -> EncoderError:
    """Make the error for a `joint_pool` that nothing is made of."""
    return EncoderError(
        "--joint-pool is for models that read a picture and a caption together",
        found,
        "leave it out",
    )


def locate_weights(model: str, pretrained: str) -> str:
    """Name the weights so that a process that runs in another folder finds them."""
    tag, file = split_tag(pretrained)
    family, name = split_model(model)
    folder = Path(name).expanduser()
    if tag == AUTO and not file and ENCODERS[family].folder and folder.is_dir():
        return f"{tag}={folder.resolve()}"
    if file:
        return f"{tag}={Path(file).expanduser().resolve()}"
    return str(Path(tag).resolve()) if Path(tag).exists() else pretrained


def find_weights(model: str, pretrained: str) -> Path | None:
    """Find the file of a model's weights, or the folder of a model, or download it.

    None for weights that come with the package or are drawn at random: they are in no file of
    their own. The module of a family says where they are in a function of the same name.
    Raises `EncoderError` where they are not to be had.
    """
    find = _of_family(model, "find_weights")
    if find is None or pretrained == "random":
        return None
    return cast("Path", find(split_model(model)[1], pretrained))


def describe_weights(model: str, pretrained: str) -> str:
    """Say where the weights come from, e.g. their address; a function of the family's module."""
    if pretrained == "random":
        return "drawn at random from a fixed seed"
    describe = _of_family(model, "describe_weights")
    return (
        "the package mmfeat"
        if describe is None
        else str(describe(split_model(model)[1], pretrained))
    )


def _of_family(model: str, function: str) -> Any:
    load = resolve(family_of(model), ENCODERS, "encoder")
    return getattr(sys.modules[load.__module__], function, None)
