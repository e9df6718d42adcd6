"""Models of transformers by their folder or their repository of the hub: `hf:NAME`.

Two towers: transformers' own `get_image_features` and `get_text_features`; models that read a
picture and a caption together are in `hf_joint`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer

from mmfeat.core.files import files_sha256
from mmfeat.errors import EncoderError
from mmfeat.extract.encoders.base import Encoder
from mmfeat.extract.encoders.device import placed
from mmfeat.extract.encoders.families.hf_joint import JOINT
from mmfeat.extract.encoders.families.hf_pictures import HERE, read_preprocessing
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

FROM_PADDING = ("altclip", "bridgetower")  # positions begin after the padding token's, as RoBERTa's
LIBRARIES = ("torch", "transformers", "tokenizers")

# The types of models with two towers -> whether captions are padded to the whole context.
TWO_TOWERS: dict[str, bool] = {
    "clip": False,
    "metaclip_2": False,
    "siglip": True,  # as it was trained; SigLIP 2 of one resolution is of this type, too
    "siglip2": True,  # NaFlex, of any resolution
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
    described: dict[str, Any] = {
        "preprocessing": preprocessing,
        "subwords": subwords,
        "origin": origin(f"hf:{model}", pretrained, folder, sha256),
        "precision": precision,
        "dtype": PRECISIONS[precision],
        "device": place,
        "libraries": LIBRARIES,
    }
    if pool is not None:
        described["origin"] |= {"joint_pool": pool}
        return JointEncoder(JOINT[kind].vectors(built, pool), **described)
    prepared = in_patches(built) if kind == "siglip2" else lambda pixels: {"pixel_values": pixels}
    return TowersEncoder(
        image=lambda pixels: _pooled(built.get_image_features(**prepared(pixels))),
        text=lambda inputs: _pooled(built.get_text_features(**inputs)),
        **described,
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


def in_patches(model: Any) -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
    """What SigLIP 2 NaFlex takes for pictures of one shape (b, 3, height, width): all patches."""
    side = model.config.vision_config.patch_size

    def inputs(pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        grid = pixels.unfold(2, side, side).unfold(3, side, side)  # (b, 3, rows, columns, s, s)
        patches = grid.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)  # (b, p, s * s * 3)
        shapes = torch.tensor([grid.shape[2:4]] * len(pixels), device=pixels.device)
        there = torch.ones(patches.shape[:2], dtype=torch.int64, device=pixels.device)
        return {"pixel_values": patches, "pixel_attention_mask": there, "spatial_shapes": shapes}

    return inputs


def _pooled(found: Any) -> torch.Tensor:
    """The features of a tower, which transformers 5 gives as the pooled output."""
    features: torch.Tensor = found if isinstance(found, torch.Tensor) else found.pooler_output
    return features
