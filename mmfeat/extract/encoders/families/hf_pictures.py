"""How the image processor of a model of transformers prepares pictures, in words.

What it says about resizing, cropping and normalising becomes `Preprocessing`, so that pictures are
read and guarded as for any encoder, by Pillow (transformers' other backend, of torchvision,
differs by one of 255 levels here and there); a processor that says something else is refused.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from PIL.Image import Resampling
from transformers import AutoImageProcessor

from mmfeat.errors import EncoderError
from mmfeat.extract.encoders.base import Preprocessing
from mmfeat.extract.encoders.weights.repository import explained

LONGEST = 1333 / 800  # of the shorter side, where processors keep the shape: as in COCO
HERE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


def read_preprocessing(folder: Path) -> Preprocessing:
    """Say what the image processor of a folder does; raise `EncoderError` where words fail."""
    with explained("the image processor", folder):
        processor: Any = AutoImageProcessor.from_pretrained(folder, backend="pil", **HERE)
    if getattr(processor, "merge_size", None):
        return _of_area(processor, folder)
    if getattr(processor, "max_num_patches", None):
        return _of_patches(processor, folder)
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


def _of_area(processor: Any, folder: Path) -> Preprocessing:
    """Of processors that keep the shape and bound the number of pixels, as Qwen2-VL's does."""
    size = _sides(processor, "size")
    if not _scales(processor) or size.keys() != {"shortest_edge", "longest_edge"}:
        raise EncoderError(
            "an image processor with a merge_size bounds the number of pixels",
            f"that of {folder} ({type(processor).__name__}) has size {size}",
            "choose another model",
        )
    step = processor.patch_size * processor.merge_size
    side = max(math.isqrt(size["longest_edge"]) // step, 1) * step
    return Preprocessing(
        size=(side, side),
        resize_mode="area",
        n_pixels=(size["shortest_edge"], size["longest_edge"]),
        divisor=step,
        **_normalising(processor),
    )


def _of_patches(processor: Any, folder: Path) -> Preprocessing:
    """Of processors that keep the shape and bound the number of patches, as SigLIP 2 NaFlex's."""
    if not _scales(processor):
        raise EncoderError(
            "an image processor with patches resizes and rescales pictures",
            f"that of {folder} ({type(processor).__name__}) does not",
            "choose another model",
        )
    step, most = processor.patch_size, processor.max_num_patches
    return Preprocessing(
        size=(math.isqrt(most) * step, math.isqrt(most) * step),
        resize_mode="patches",
        n_pixels=(step * step, most * step * step),
        divisor=step,
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
