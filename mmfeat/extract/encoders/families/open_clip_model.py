"""Any model that open_clip knows by name, with weights from a tag, a file, or none."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import open_clip
from open_clip import CLIP, CustomTextCLIP
from open_clip.factory import load_checkpoint
from open_clip.pretrained import _get_safe_alternatives
from open_clip.transform import PreprocessCfg
from open_clip.transformer import TextTransformer
from torch import nn

from mmfeat.config import AUTO
from mmfeat.core.files import file_sha256
from mmfeat.errors import EncoderError
from mmfeat.extract.encoders.base import Preprocessing
from mmfeat.extract.encoders.clip import ClipEncoder
from mmfeat.extract.encoders.precision import choose_device, choose_precision
from mmfeat.extract.encoders.weights.place import HUB, WITHOUT, reachable, split_tag
from mmfeat.extract.encoders.weights.tensors import random_weights, read_weights, state_sha256

TAG = "openai"  # where none is asked for


def load(model: str, *, pretrained: str, precision: str, device: str) -> ClipEncoder:
    """Load the open_clip model named `model`; see `load_encoder`."""
    _check_model(model)
    place = choose_device(device)
    precision = choose_precision(precision, place)
    tokenizer = _tokenizer(model)  # before the weights, because it fails fastest
    name, _ = _split(pretrained)
    tag = open_clip.get_pretrained_cfg(model, name)
    if pretrained == "random":
        with random_weights():
            clip = _build(model, quick_gelu=False)
        sha256 = state_sha256(clip)
    else:
        path = find_weights(model, pretrained)
        clip = _build(model, quick_gelu=bool(tag.get("quick_gelu")))
        _load_into(clip, path)
        sha256 = file_sha256(path)
    return ClipEncoder(
        clip,
        text_tower=cuttable_tower(clip),
        tokenizer=tokenizer,
        preprocessing=_preprocessing(clip, tag),
        origin={"name": model, "pretrained": Path(name).name, "weights_sha256": sha256},
        precision=precision,
        device=place,
    )


def find_weights(model: str, pretrained: str) -> Path:
    """Find the file of weights, or download it; raise `EncoderError` where there is none."""
    name, file = _split(pretrained)
    if not file and open_clip.get_pretrained_cfg(model, name):
        return _tagged_weights(model, name)
    return _local_weights(model, file or name)


def describe_weights(model: str, pretrained: str) -> str:
    """Say where weights come from: the address of a tag, or the name of a file."""
    name, _ = _split(pretrained)
    source = open_clip.get_pretrained_cfg(model, name)
    if repository := str(source.get("hf_hub") or "").rpartition("/")[0]:
        return f"https://huggingface.co/{repository} (tag {name} of open_clip)"
    return str(source["url"]) if source.get("url") else f"a local file, {Path(name).name}"


def _split(pretrained: str) -> tuple[str, str]:
    return split_tag(TAG if pretrained == AUTO else pretrained)


def _check_model(model: str) -> None:
    known = open_clip.list_models()
    if model.replace("/", "-") in known:
        return
    close = difflib.get_close_matches(model, [*known, "tiny-demo"], n=4, cutoff=0.4)
    raise EncoderError(
        "--model is tiny-demo, FAMILY:NAME, or a model name of open_clip",
        f"{model!r} is none of them",
        f"use e.g. {', '.join(close)}" if close else "use e.g. ViT-B-32 or ViT-L-14",
    )


def _build(model: str, *, quick_gelu: bool) -> nn.Module:
    logging.disable(logging.WARNING)  # it warns that it loads no weights; they are loaded later
    try:
        with _explained(model), _hub_only_ifreachable(model):
            clip: nn.Module = open_clip.create_model(
                model, load_weights=False, pretrained_text=False, force_quick_gelu=quick_gelu
            )
    finally:
        logging.disable(logging.NOTSET)
    return clip


def cuttable_tower(model: Any) -> Any:
    """Return the text tower if cutting its input changes nothing: causal, pooled at the end.

    This holds for the towers of `CLIP` and `CustomTextCLIP` in open_clip. All others (CoCa with its
    class token, Hugging Face towers, SigLIP's last-token pooling) are not cut.
    """
    if type(model) is CLIP:
        tower, pool = model, model.text_pool_type
    elif type(model) is CustomTextCLIP and type(model.text) is TextTransformer:
        tower, pool = model.text, model.text.pool_type
        if tower.cls_emb is not None or tower.use_pad_mask or tower.output_tokens:
            return None
    else:
        return None
    return tower if tower.attn_mask is not None and pool == "argmax" else None


def _tokenizer(model: str) -> Any:
    with _explained(model), _hub_only_ifreachable(model):
        return open_clip.get_tokenizer(model)


@contextmanager
def _explained(model: str) -> Iterator[None]:
    try:
        yield
    except (ImportError, OSError, RuntimeError, ValueError, AttributeError) as error:
        raise EncoderError(
            "the installed packages must be able to build the model and its tokenizer",
            f"{model}: {(str(error).splitlines() or [''])[0]}",
            "install what it needs (e.g. `pip install transformers`), check the network, or"
            " choose another model",
        ) from error


@contextmanager
def _hub_only_ifreachable(model: str) -> Iterator[None]:
    """Work offline if the hub is unreachable, which Hugging Face would retry for a minute."""
    from huggingface_hub import constants  # noqa: PLC0415 (only for such models)

    text = (open_clip.get_model_config(model) or {}).get("text_cfg", {})
    before = constants.HF_HUB_OFFLINE
    if not text.keys().isdisjoint(("hf_tokenizer_name", "hf_model_name")):
        constants.HF_HUB_OFFLINE = before or not reachable(HUB)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _load_into(clip: nn.Module, path: Path) -> None:
    read_weights(path)  # its errors describe the file; those of open_clip do not
    try:
        load_checkpoint(clip, str(path), weights_only=True)
    except (RuntimeError, KeyError, ValueError, AttributeError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise EncoderError(
            "weights must belong to the model",
            f"{path} does not: {' '.join(lines[:3])[:300]}",
            "name the model that these weights were made for",
        ) from error


def _local_weights(model: str, pretrained: str) -> Path:
    path = Path(pretrained)
    if path.is_file():
        return path
    tags = open_clip.list_pretrained_tags_by_model(model.replace("/", "-"))
    raise EncoderError(
        "--pretrained is a tag of the model, a local file, or `random`",
        f"{pretrained!r} is neither a file nor a tag of {model}",
        f"its tags are {', '.join(tags)}" if tags else "the model has no tags; name a file",
    )


def _tagged_weights(model: str, tag: str) -> Path:
    """Find the weights of a tag in the cache, or download them; fail soon without network."""
    source = open_clip.get_pretrained_cfg(model, tag)
    cached = _cached(source)
    if cached is not None:
        return cached
    url = HUB if source.get("hf_hub") else source["url"]
    found = (
        f"those of {model} {tag!r} are not cached and {urlsplit(url).hostname} cannot be reached"
    )
    remedy = f"download them elsewhere and name them with --pretrained FILE; {WITHOUT}"
    if not reachable(url):
        raise EncoderError("the weights must be a local file or downloadable", found, remedy)
    try:
        return Path(open_clip.download_pretrained(source))
    except (OSError, RuntimeError, ValueError) as error:
        raise EncoderError(
            "the weights must be a local file or downloadable",
            f"{model} {tag!r}: {(str(error).splitlines() or [''])[0]}",
            remedy,
        ) from error


def _cached(source: dict[str, str]) -> Path | None:
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 (only for tags)

    if not source.get("hf_hub"):
        target = Path.home() / ".cache" / "clip" / Path(source.get("url", "")).name
        return target if target.is_file() else None
    repository, _, filename = source["hf_hub"].rpartition("/")
    filename = filename or "open_clip_pytorch_model.bin"
    for name in (*_get_safe_alternatives(filename), filename):
        found = try_to_load_from_cache(repository, name)
        if isinstance(found, str):
            return Path(found)
    return None


def _preprocessing(clip: Any, tag: dict[str, Any]) -> Preprocessing:
    """Resolve the preprocessing as open_clip does: the model's, overridden by the tag's."""
    known = {field.name for field in fields(PreprocessCfg)} - {"size"}
    own = {key: value for key, value in tag.items() if key in known}
    config = PreprocessCfg(**{**clip.visual.preprocess_cfg, **own})
    size = config.size if isinstance(config.size, (tuple, list)) else (config.size, config.size)
    return Preprocessing(
        size=(int(size[0]), int(size[1])),
        resize_mode=config.resize_mode,
        interpolation=config.interpolation,
        fill=config.fill_color,
        mean=tuple(config.mean),
        std=tuple(config.std),
    )
