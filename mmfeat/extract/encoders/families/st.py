"""Models of sentence-transformers by their folder or their repository of the hub: `st:NAME`.

A model declares its modalities. Captions go through its tokenizer, cut to its own length and with
its default prompt; pictures, where it takes them by themselves, through its image processor as
for `hf:NAME`. Models that take chat messages are in `st_chat`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer

from mmfeat.core.files import files_sha256
from mmfeat.errors import EncoderError
from mmfeat.extract.encoders.base import Encoder, Preprocessing
from mmfeat.extract.encoders.device import placed
from mmfeat.extract.encoders.families.hf import origin
from mmfeat.extract.encoders.families.hf_pictures import HERE, read_preprocessing
from mmfeat.extract.encoders.families.st_chat import ChatEncoder
from mmfeat.extract.encoders.precision import PRECISIONS, choose_device, choose_precision
from mmfeat.extract.encoders.subwords import Subwords
from mmfeat.extract.encoders.towers import TowersEncoder
from mmfeat.extract.encoders.weights.repository import (
    check_tensors,
    describe,
    explained,
    find_folder,
    read_modules,
    weights_in,
)
from mmfeat.extract.encoders.weights.tensors import random_weights, read_weights, state_sha256

LIBRARIES = ("torch", "sentence-transformers", "transformers", "tokenizers")
OWN = "sentence_transformers."  # how the classes of its modules begin


def load(model: str, *, pretrained: str, precision: str, device: str) -> Encoder:
    """Load the model in the folder or repository `model`; see `load_encoder`."""
    place = choose_device(device)
    precision = choose_precision(precision, place)
    folder = find_weights(model, pretrained)
    _parts(folder)
    built, sha256 = _load_model(folder, random=pretrained == "random")
    is_chat = "message" in built.modalities
    first = _first_module(built, folder)
    prompt = built.prompts.get(built.default_prompt_name or "", "")
    if prompt and any(getattr(part, "include_prompt", True) is False for part in built):
        raise EncoderError(
            "a default prompt of a model is pooled like the caption",
            f"that of {folder} is left out",
            "choose another model",
        )
    built = placed(built, place, PRECISIONS[precision])

    described: dict[str, Any] = {
        "origin": origin(f"st:{model}", pretrained, folder, sha256),
        "precision": precision,
        "dtype": PRECISIONS[precision],
        "device": place,
        "libraries": LIBRARIES,
    }
    if is_chat:
        pictures = _chat_pictures(first, folder) if "image" in built.modalities else None
        return ChatEncoder(built, preprocessing=pictures, prompt=prompt, **described)

    def features(inputs: Mapping[str, Any], modality: str) -> torch.Tensor:
        found: torch.Tensor = built({**inputs, "modality": modality})["sentence_embedding"]
        return found[:, : built.truncate_dim]

    towers: dict[str, Any] = {}
    if "text" in built.modalities:
        towers["text"] = lambda inputs: features(inputs, "text")
        towers["subwords"] = _subwords(built, first, prompt)
    if "image" in built.modalities:
        towers["image"] = lambda pixels: features({"pixel_values": pixels}, "image")
        towers["preprocessing"] = _one_size(read_preprocessing(_parts(folder)[0]), folder)
    return TowersEncoder(**towers, **described)


def find_weights(model: str, pretrained: str) -> Path:
    """Find the folder of a model, or download it; raise `EncoderError` where there is none."""
    return find_folder(model, pretrained=pretrained, family="st")


def describe_weights(model: str, pretrained: str) -> str:
    """Say where weights come from: a repository or a folder, and the licence by its card."""
    return describe(model, pretrained=pretrained, library="sentence-transformers")


def _parts(folder: Path) -> list[Path]:
    """The folders of the modules; raise `EncoderError` where one has code of its own."""
    parts = read_modules(folder)
    for _, kind in parts:
        if not kind.startswith(OWN):
            raise EncoderError(
                "the modules of a model are those of sentence-transformers",
                f"{folder} has {kind}, which would run code of its own",
                "choose another model",
            )
    return [part for part, _ in parts]


def _load_model(folder: Path, *, random: bool) -> tuple[Any, str]:
    """Load the model of a folder in float32, or draw its weights; and the sha256 of those."""
    files = weights_in(folder)
    for file in files:
        read_weights(file)  # its errors describe the file; those of the library do not
    options = {"dtype": torch.float32, "weights_only": True}
    with explained("the model", folder):
        built: Any = SentenceTransformer(str(folder), device="cpu", model_kwargs=options, **HERE)
        for module in built:
            if (inner := getattr(module, "model", None)) is not None and not random:
                _check(inner, folder, options)
    if not random:
        return built, files_sha256(files)
    with random_weights():
        for module in built.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    return built, state_sha256(built)


def _check(model: Any, folder: Path, options: dict[str, Any]) -> None:
    """Check that every tensor finds its place, which sentence-transformers does not tell."""
    _, found = type(model).from_pretrained(
        _parts(folder)[0],
        config=model.config,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
        **options,
        **HERE,
    )
    unused = {name for key in ("missing_keys", "unexpected_keys") for name in found[key]}
    unused = {name for name in unused if name.startswith("pooler.")}  # the model has its own
    check_tensors({key: set(names) - unused for key, names in found.items()}, folder)


def _first_module(built: Any, folder: Path) -> Any:
    """The module that takes inputs; raise `EncoderError` for one that is not supported."""
    first = built[0]
    if getattr(first, "tokenizer", None) is None:
        raise EncoderError(
            "--model st:NAME is a model with a tokenizer",
            f"{folder} takes {', '.join(map(str, built.modalities))} by {type(first).__name__}",
            "choose another model",
        )
    return first


def _one_size(preprocessing: Preprocessing, folder: Path) -> Preprocessing:
    """Give it back; raise `EncoderError` where pictures keep their shapes."""
    if preprocessing.n_pixels is None:
        return preprocessing
    raise EncoderError(
        "a model with a tower for pictures takes them in one size",
        f"that of {folder} takes any",
        "use hf:NAME, or choose another model",
    )


def _chat_pictures(first: Any, folder: Path) -> Preprocessing:
    """How pictures are resized; raise `EncoderError` where the model changes its processor."""
    if changed := first.processing_kwargs.get("image"):
        raise EncoderError(
            "pictures are prepared as the image processor of a model says",
            f"{folder} changes {', '.join(changed)} in its own settings",
            "write them into the settings of its image processor",
        )
    return read_preprocessing(_parts(folder)[0])


def _subwords(built: Any, first: Any, prompt: str) -> Subwords:
    settings = getattr(first, "processing_kwargs", {}).get("text", {})
    context = settings.get("max_length") or built.max_seq_length or first.tokenizer.model_max_length
    return Subwords(
        first.tokenizer,
        context=int(context),
        whole=settings.get("padding") == "max_length",
        prompt=prompt,
    )
