"""Models of timm, for images: pooled features, with the settings of timm's own transforms.

Weights are .safetensors, or a file with nothing but weights. timm loads them, which knows how
names of older checkpoints were changed, and every tensor must find its place.
"""

from __future__ import annotations

import difflib
import json
import math
from pathlib import Path
from typing import Any

import timm
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from timm.data.config import resolve_model_data_config
from timm.models import PretrainedCfg
from torch import nn

from mmfeat.config import AUTO
from mmfeat.core.files import file_sha256
from mmfeat.errors import EncoderError
from mmfeat.extract.encoders.base import Encoder, Preprocessing
from mmfeat.extract.encoders.device import placed
from mmfeat.extract.encoders.precision import PRECISIONS, choose_device, choose_precision
from mmfeat.extract.encoders.towers import TowersEncoder
from mmfeat.extract.encoders.weights.place import HUB, WITHOUT, reachable, split_tag
from mmfeat.extract.encoders.weights.tensors import random_weights, read_weights, state_sha256

LIBRARIES = ("torch", "timm")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # in a folder or a repository of the hub
RESIZE_MODES = {"center": "shortest", "squash": "squash"}  # by timm's name of the crop
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")


def load(model: str, *, pretrained: str, precision: str, device: str) -> Encoder:
    """Load the model of timm named `model`, e.g. resnet101.a1_in1k; see `load_encoder`."""
    name = _tagged(model, pretrained)
    place = choose_device(device)
    precision = choose_precision(precision, place)
    if pretrained == "random":
        with random_weights():
            built = timm.create_model(name, num_classes=0)
        told, sha256 = pretrained, state_sha256(built)
    else:
        path = find_weights(model, pretrained)
        built = _build(name, path)
        given, _ = split_tag(pretrained)
        told = str(_config(name).tag) if given == AUTO else Path(given).name
        sha256 = file_sha256(path)
    return TowersEncoder(
        image=placed(built, place, PRECISIONS[precision]),
        preprocessing=_preprocessing(model, built),
        origin={"name": f"timm:{model}", "pretrained": told, "weights_sha256": sha256},
        precision=precision,
        dtype=PRECISIONS[precision],
        device=place,
        libraries=LIBRARIES,
    )


def find_weights(model: str, pretrained: str) -> Path:
    """Find the file of weights, or download it; raise `EncoderError` where there is none."""
    given, file = split_tag(pretrained)
    place = Path(file or given)
    if place.is_file():
        return place
    if place.is_dir():
        return _in_folder(place)
    name = _tagged(model, pretrained)
    if given not in (AUTO, "") and given not in _tags(name):
        raise EncoderError(
            "--pretrained is a tag of the model, a local file or folder, or `random`",
            f"{pretrained!r} is none of them",
            f"the tags of {model} are {', '.join(_tags(name)) or 'none'}",
        )
    return _from_hub(name)


def describe_weights(model: str, pretrained: str) -> str:
    """Say where weights come from: a repository with its licence, or the name of a file."""
    given, _ = split_tag(pretrained)
    config = _config(_tagged(model, pretrained))
    if given in (AUTO, "", config.tag) and config.hf_hub_id:
        licence = config.license or "not stated"
        return f"https://huggingface.co/{config.hf_hub_id} (timm; licence by timm: {licence})"
    return f"a local file, {Path(given).name}"


def _tagged(model: str, pretrained: str) -> str:
    """The model, with the tag that `pretrained` names; raise `EncoderError` for an unknown one."""
    architecture, _, tag = model.partition(".")
    if not timm.is_model(architecture):
        close = difflib.get_close_matches(architecture, timm.list_models(), n=4, cutoff=0.5)
        raise EncoderError(
            "--model timm:NAME names a model of timm",
            f"{model!r} is none",
            f"use e.g. {', '.join(f'timm:{name}' for name in close or ['resnet50'])}",
        )
    if tag and tag not in _tags(architecture):
        raise EncoderError(
            "the tag of --model timm:NAME.TAG is one of the model",
            f"{architecture} has no {tag!r}",
            f"use one of {', '.join(_tags(architecture)) or 'no tags'}, or none",
        )
    given, _ = split_tag(pretrained)
    return f"{architecture}.{given}" if given in _tags(architecture) else model


def _tags(model: str) -> list[str]:
    architecture = model.partition(".")[0]
    return [name.partition(".")[2] for name in timm.list_pretrained(f"{architecture}.*")]


def _in_folder(folder: Path) -> Path:
    named = [folder / name for name in WEIGHTS if (folder / name).is_file()]
    found = named[:1] or sorted(folder.glob("*.safetensors"))
    if len(found) != 1:
        raise EncoderError(
            "a folder of weights has model.safetensors, or one .safetensors file",
            f"{folder} has {len(found)}",
            "name the file with --pretrained FILE",
        )
    return found[0]


def _from_hub(name: str) -> Path:
    repository = _config(name).hf_hub_id
    remedy = f"download them elsewhere and name them with --pretrained FILE (or FOLDER); {WITHOUT}"
    if not repository:
        raise EncoderError(
            "the weights must be a local file or downloadable",
            f"{name} has none in the hub",
            remedy,
        )
    cached = try_to_load_from_cache(repository, WEIGHTS[0])
    if isinstance(cached, str):
        return Path(cached)
    found = f"those of timm:{name} are not cached and the hub ({HUB}) cannot be reached"
    if not reachable(HUB):
        raise EncoderError("the weights must be a local file or downloadable", found, remedy)
    try:
        return Path(hf_hub_download(repository, WEIGHTS[0]))
    except (OSError, RuntimeError, ValueError) as error:
        told = (str(error).splitlines() or [""])[0]
        raise EncoderError(
            "the weights must be a local file or downloadable", f"timm:{name}: {told}", remedy
        ) from error


def _build(name: str, path: Path) -> nn.Module:
    """Build a model with the weights of a file, in all of its tensors, and take its head off."""
    state = read_weights(path)  # its errors describe the file; those of timm do not
    config = _config(name)
    heads = [config.classifier] if isinstance(config.classifier, str) else config.classifier or ()
    rows = [len(state[key]) for key in (f"{head}.weight" for head in heads) if key in state]
    n_classes = rows[0] if rows else 0
    overlay: dict[str, Any] = {
        **_told_beside(path),
        "file": str(path),
        "num_classes": n_classes,  # as many as built: timm then asks for every tensor
        "label_offset": 0,
        "custom_load": False,
    }
    try:
        built: Any = timm.create_model(
            name, pretrained=True, num_classes=n_classes, pretrained_cfg_overlay=overlay
        )
    except (RuntimeError, KeyError, ValueError, AttributeError, TypeError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise EncoderError(
            "weights must belong to the model",
            f"{path} does not: {' '.join(lines[:3])[:300]}",
            "name the model that these weights were made for",
        ) from error
    built.reset_classifier(0)
    model: nn.Module = built
    return model


def _told_beside(path: Path) -> dict[str, Any]:
    """What `config.json` beside the weights says about the input, as timm writes it."""
    about = path.with_name("config.json")
    if not about.is_file():
        return {}
    try:
        told = json.loads(about.read_text(encoding="utf-8"))["pretrained_cfg"]
        keys = ("mean", "std", "interpolation", "crop_pct", "crop_mode", "input_size")
        return {key: told[key] for key in keys if told.get(key) is not None}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EncoderError(
            "config.json beside weights of timm has `pretrained_cfg`",
            f"{about} has not",
            "save the model with timm, or move the weights elsewhere",
        ) from error


def _config(name: str) -> Any:
    """What timm knows of a model: where its weights are, its classifier, its transforms."""
    return timm.get_pretrained_cfg(name) or PretrainedCfg()


def _preprocessing(model: str, built: nn.Module) -> Preprocessing:
    config = resolve_model_data_config(built)  # type: ignore[no-untyped-call]
    channels, height, width = config["input_size"]
    mode, interpolation = config["crop_mode"], config["interpolation"]
    if channels != 3 or mode not in RESIZE_MODES or interpolation not in INTERPOLATIONS:
        raise EncoderError(
            "a model of timm takes RGB, cut from the centre or squashed",
            f"{model} has {channels} channels, crop {mode!r}, interpolation {interpolation!r}",
            "choose another model",
        )
    scaled = (math.floor(height / config["crop_pct"]), math.floor(width / config["crop_pct"]))
    return Preprocessing(
        size=(height, width),
        scaled=None if scaled == (height, width) else scaled,
        resize_mode=RESIZE_MODES[mode],
        interpolation=interpolation,
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )
