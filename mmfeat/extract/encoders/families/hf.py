"""Models of transformers by their folder or their repository of the hub: `hf:NAME`.

Two towers: transformers' own `get_image_features` and `get_text_features`; models that read a
picture and a caption together are in `hf_joint`. What the processor of
a model says about resizing, cropping and normalising becomes `Preprocessing`, so that pictures
are read and guarded as for any encoder, by Pillow (transformers' other backend, of torchvision,
differs by one of 255 levels here and there); a processor that says something else is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL.Image import Resampling
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer

from mmfeat.core.files import files_sha256
from mmfeat.errors import EncoderError
from mmfeat.extract.encoders.base import Encoder, Preprocessing
from mmfeat.extract.encoders.device import placed
from mmfeat.extract.encoders.families.hf_joint import JOINT
from mmfeat.extract.encoders.joint import JointEncoder
from mmfeat.extract.encoders.load import no_pool
from mmfeat.extract.encoders.precision import PRECISIONS, choose_device, choose_precision
from mmfeat.extract.encoders.subwords import Subwords
from mmfeat.extract.encoders.towers import TowersEncoder
from mmfeat.extract.encoders.weights.place import split_tag
from mmfeat.extract.encoders.weights.repository import (
    check_tensors,
    describe,
    explained,
    find_folder,
    settings_sha256,
    weights_in,
)
from mmfeat.extract.encoders.weights.tensors import random_weights, read_weights, state_sha256

LONGEST = 1333 / 800  # of the shorter side, where processors keep the shape: as in COCO
FROM_PADDING = ("altclip", "bridgetower")  # positions begin after the padding token's, as RoBERTa's
LIBRARIES = ("torch", "transformers", "tokenizers")
HERE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}

# The types of models with two towers -> whether captions are padded to the whole context.
TWO_TOWERS: dict[str, bool] = {
    "clip": False,
    "metaclip_2": False,
    "siglip": True,  # as it was trained; SigLIP 2 of one resolution is of this type, too
    "altclip": False,
    "chinese_clip": False,
}


def load(
    model: str, *, pretrained: str, precision: str, device: str, joint_pool: str = "auto"
) -> Encoder:
    """Load the model in the folder or repository `model`; see `load_encoder`."""
    place = choose_device(device)
    precision = choose_precision(precision, place)
    folder = find_weights(model, pretrained)
    with explained("the model", folder):
        config = AutoConfig.from_pretrained(folder, **HERE)
    kind = config.model_type
    if kind not in TWO_TOWERS and kind not in JOINT:
        raise EncoderError(
            f"--model hf:NAME is a model with two towers ({', '.join(TWO_TOWERS)}), or of pictures"
            f" with captions ({', '.join(JOINT)})",
            f"{folder} has a model of the type {kind!r}",
            "choose another model",
        )
    if joint_pool != "auto" and kind not in JOINT:
        raise no_pool(f"{folder} has two towers")
    pool = JOINT[kind].choose_pool(joint_pool, model=kind) if kind in JOINT else None
    preprocessing = read_preprocessing(folder)  # before the weights, because it fails fastest
    subwords = _subwords(folder, config)
    built, sha256 = load_model(folder, config, random=pretrained == "random")
    built = placed(built, place, PRECISIONS[precision])
    if pool is not None:
        return JointEncoder(
            JOINT[kind].vectors(built, pool),
            preprocessing=preprocessing,
            subwords=subwords,
            origin=origin(f"hf:{model}", pretrained, folder, sha256) | {"joint_pool": pool},
            precision=precision,
            dtype=PRECISIONS[precision],
            device=place,
            libraries=LIBRARIES,
        )
    return TowersEncoder(
        image=lambda pixels: _pooled(built.get_image_features(pixel_values=pixels)),
        preprocessing=preprocessing,
        text=lambda inputs: _pooled(built.get_text_features(**inputs)),
        subwords=subwords,
        origin=origin(f"hf:{model}", pretrained, folder, sha256),
        precision=precision,
        dtype=PRECISIONS[precision],
        device=place,
        libraries=LIBRARIES,
    )


def find_weights(model: str, pretrained: str) -> Path:
    """Find the folder of a model, or download it; raise `EncoderError` where there is none."""
    return find_folder(model, pretrained=pretrained, family="hf")


def describe_weights(model: str, pretrained: str) -> str:
    """Say where weights come from: a repository or a folder, and the licence by its card."""
    return describe(model, pretrained=pretrained, library="transformers")


def origin(name: str, pretrained: str, folder: Path, sha256: str) -> dict[str, str]:
    """The part of the provenance that says which model it is."""
    told = Path(split_tag(pretrained)[0]).name
    return {
        "name": name,
        "pretrained": told,
        "weights_sha256": sha256,
        "settings_sha256": settings_sha256(folder),
    }


def load_model(folder: Path, config: Any, *, random: bool) -> tuple[Any, str]:
    """Load the model of a folder in float32, or draw its weights; and the sha256 of those."""
    if random:
        with random_weights(), explained("the model", folder):
            built = AutoModel.from_config(config, trust_remote_code=False, dtype=torch.float32)
        return built, state_sha256(built)
    files = weights_in(folder)
    for file in files:
        read_weights(file)  # its errors describe the file; those of transformers do not
    with explained("the model", folder):
        built, found = AutoModel.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=files[0].suffix == ".safetensors",
            weights_only=True,
            ignore_mismatched_sizes=True,  # which are told like missing ones
            output_loading_info=True,
            **HERE,
        )
    if config.model_type in JOINT:
        heads, names = JOINT[config.model_type].heads, found["unexpected_keys"]
        found["unexpected_keys"] = [name for name in names if not name.startswith(heads)]
    check_tensors(found, folder)
    return built, files_sha256(files)


def _subwords(folder: Path, config: Any) -> Subwords:
    with explained("the tokenizer", folder):
        tokenizer = AutoTokenizer.from_pretrained(folder, **HERE)
    text = getattr(config, "text_config", config)
    positions = text.max_position_embeddings
    if config.model_type in (
        "altclip",
        "bridgetower",
    ):  # counted from the padding token on, as RoBERTa does
        positions -= text.pad_token_id + 1
    return Subwords(
        tokenizer,
        context=int(min(tokenizer.model_max_length, positions)),
        whole=TWO_TOWERS.get(config.model_type, False),
    )


def _pooled(found: Any) -> torch.Tensor:
    """The features of a tower, which transformers 5 gives as the pooled output."""
    features: torch.Tensor = found if isinstance(found, torch.Tensor) else found.pooler_output
    return features


def read_preprocessing(folder: Path) -> Preprocessing:
    """Say what the image processor of a folder does; raise `EncoderError` where words fail."""
    with explained("the image processor", folder):
        processor: Any = AutoImageProcessor.from_pretrained(folder, backend="pil", **HERE)
    if getattr(processor, "size_divisor", None):
        return _bounded(processor, folder)
    size, crop = _sides(processor, "size"), _sides(processor, "crop_size")
    height_width = {"height", "width"}
    cuts = bool(getattr(processor, "do_center_crop", None))
    told = (
        _scales(processor)
        and not getattr(processor, "do_pad", None)
        and (size.keys() == height_width or (size.keys() == {"shortest_edge"} and cuts))
        and (not cuts or crop.keys() == height_width)
    )
    if told:
        edge = size.get("shortest_edge", 0)
        scaled = (size.get("height", edge), size.get("width", edge))
        final = (crop["height"], crop["width"]) if cuts else scaled
        told = final[0] <= scaled[0] and final[1] <= scaled[1]
    if not told:
        raise EncoderError(
            "an image processor resizes to a fixed size or a shortest edge, and cuts the centre",
            f"that of {folder} ({type(processor).__name__}) has size {size}"
            + (f", crop {crop}" if cuts else ""),
            "choose another model",
        )
    return Preprocessing(
        size=final,
        scaled=None if scaled == final else scaled,
        resize_mode="squash" if "height" in size else "shortest",
        rounding="down" if cuts else None,
        **_normalising(processor),
    )


def _bounded(processor: Any, folder: Path) -> Preprocessing:
    """Of processors that keep the shape of a picture, as ViLT's does."""
    size, crop = _sides(processor, "size"), _sides(processor, "crop_size")
    cuts = bool(getattr(processor, "do_center_crop", None))
    if not _scales(processor) or size.keys() != {"shortest_edge"} or (cuts and not crop):
        raise EncoderError(
            "an image processor with a size_divisor resizes to a shortest edge",
            f"that of {folder} ({type(processor).__name__}) has size {size}",
            "choose another model",
        )
    edge = size["shortest_edge"]
    final = crop.get("shortest_edge", 0)
    return Preprocessing(
        size=(crop.get("height", final), crop.get("width", final)) if cuts else (edge, edge),
        scaled=(edge, edge) if cuts else None,
        resize_mode="bounded",
        longest=int(LONGEST * edge),
        divisor=processor.size_divisor,
        **_normalising(processor),
    )


def _scales(processor: Any) -> bool:
    """Whether pictures are resized and scaled to [0, 1]."""
    return bool(
        processor.do_resize
        and processor.do_rescale
        and abs(processor.rescale_factor * 255 - 1) < 1e-6
    )


def _normalising(processor: Any) -> dict[str, Any]:
    normalises = processor.do_normalize
    return {
        "interpolation": Resampling(processor.resample).name.lower(),
        "mean": tuple(processor.image_mean) if normalises else (0.0,) * 3,
        "std": tuple(processor.image_std) if normalises else (1.0,) * 3,
    }


def _sides(processor: Any, name: str) -> dict[str, int]:
    """The lengths that a size has, by name."""
    size = getattr(processor, name, None) or {}
    return {key: int(value) for key, value in dict(size).items() if value}
