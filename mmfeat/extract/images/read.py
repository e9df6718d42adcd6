"""From the bytes of a picture to the pixels that the model wants; this file is torch-free.

What is done with unusual pictures:

- EXIF orientation is applied: the model sees what a person sees.
- Palette, grey and CMYK become RGB before resizing; more than 8 bits are scaled (see `wide`).
- Transparency is laid over white.
- Of animated pictures, the first frame counts.
- Everything is as Pillow decodes it; `fast` lets JPEG skip detail that resizing would discard.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Sequence
from hashlib import sha256

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mmfeat.extract.encoders.base import Pixels, Preprocessing
from mmfeat.extract.guard import Refusal
from mmfeat.extract.images import png
from mmfeat.extract.images.formats import describe, readable_formats
from mmfeat.extract.images.scans import refuse_scans
from mmfeat.extract.images.wide import WIDE_MODES, UnknownRangeError, to_8_bits
from mmfeat.store.layout import Status

ORIENTATION = 0x0112  # the EXIF tag
LONG_STRIP = 64  # from this ratio of the sides on, the whole picture is never resized
MOST_OBLONG = 200  # of ``area``
EPSILON = 1e-5  # of ``patches``: how exactly the scale is found
Decoded = tuple[Pixels, bytes] | Refusal  # pixels (height, width, 3) and a digest of the file


def decode_image(
    content: bytes | Refusal, *, preprocessing: Preprocessing, max_pixels: int, fast: bool
) -> Decoded:
    """Check, decode and resize the bytes of one image; a bad one comes back as its `Refusal`."""
    (decoded,) = decode_for_all(content, [preprocessing], max_pixels=max_pixels, fast=fast)
    return decoded


def decode_for_all(
    content: bytes | Refusal,
    preprocessings: Sequence[Preprocessing],
    *,
    max_pixels: int,
    fast: bool,
) -> list[Decoded]:
    """Give what `decode_image` gives for each of several encoders, decoding the image once.

    With `fast`, it is decoded once for each size that pictures are resized to.
    """
    if isinstance(content, Refusal):
        return [content] * len(preprocessings)
    Image.MAX_IMAGE_PIXELS = None  # max_pixels is checked below, before anything is decoded
    read: dict[tuple[int, int] | None, Image.Image] = {}
    found: list[Decoded] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about metadata of the file
        for preprocessing in preprocessings:
            frame = (preprocessing.scaled or preprocessing.size) if fast else None
            try:
                if frame not in read:
                    read[frame] = _read(content, frame, max_pixels=max_pixels)
                found.append((_resize(read[frame], preprocessing), sha256(content).digest()))
            except Exception as error:  # Pillow's decoders raise anything on broken files
                found.append(_refusal_of(error, content))
    return found


def resize_image(image: Image.Image, *, preprocessing: Preprocessing, max_pixels: int) -> Decoded:
    """Resize a picture of Pillow as `decode_image` does; a bad one comes back as its `Refusal`."""
    try:
        _check_pixels(image, max_pixels)
        pixels = _resize(to_rgb(image), preprocessing)
    except Exception as error:  # Pillow decodes a file when its picture is first used
        return _refusal_of(error, b"")
    return pixels, sha256(pixels.tobytes()).digest()


class _RefusedError(Exception):
    """A picture is not decoded."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


def _refusal_of(error: Exception, content: bytes) -> Refusal:
    match error:
        case _RefusedError():
            return error.refusal
        case UnidentifiedImageError():
            return Refusal(Status.CORRUPT, describe(content, readable_formats()))
        case MemoryError():
            return Refusal(Status.TOO_LARGE, "the image does not fit into memory")
        case UnknownRangeError():
            return Refusal(Status.REFUSED, str(error))
    return Refusal(Status.CORRUPT, " ".join(f"it cannot be decoded: {error}".split()))


def _read(content: bytes, frame: tuple[int, int] | None, *, max_pixels: int) -> Image.Image:
    """Decode a file, upright and in RGB; a JPEG may be smaller, but no smaller than `frame`."""
    try:
        return _decode(content, frame, max_pixels=max_pixels)
    except ValueError:
        if not content.startswith(png.SIGNATURE):
            raise
        return _decode(png.without_metadata(content), frame, max_pixels=max_pixels)


def _decode(content: bytes, frame: tuple[int, int] | None, *, max_pixels: int) -> Image.Image:
    with Image.open(io.BytesIO(content), formats=readable_formats()) as image:
        _check_pixels(image, max_pixels)
        if image.format in ("JPEG", "MPO"):
            slow = refuse_scans(content, image.width * image.height)
            if slow is not None:
                raise _RefusedError(Refusal(Status.TOO_LARGE, slow))
        if frame is not None:
            _draft(image, frame)
        picture = to_rgb(image)
        picture.load()  # while the file is open
        return picture


def _check_pixels(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        reason = f"the image has {width} x {height} pixels; {max_pixels} are allowed (--max-pixels)"
        raise _RefusedError(Refusal(Status.TOO_LARGE, reason))


def to_rgb(image: Image.Image) -> Image.Image:
    """Turn the first frame of any picture into upright RGB; raise `UnknownRangeError`."""
    if image.getexif().get(ORIENTATION, 1) != 1:  # exif_transpose copies even what is upright
        image = ImageOps.exif_transpose(image)
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in WIDE_MODES:
        return to_8_bits(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        clear = image.convert("RGBA")
        white = Image.new("RGBA", clear.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, clear).convert("RGB")
    return image.convert("RGB")


def _draft(image: Image.Image, size: tuple[int, int]) -> None:
    """Let the JPEG decoder shrink by 2, 4 or 8, to no less than what is needed."""
    factor = max(min(image.size) / max(size), 1.0)
    image.draft("RGB", (int(image.size[0] / factor), int(image.size[1] / factor)))


def _resize(image: Image.Image, preprocessing: Preprocessing) -> Pixels:
    """Resize and crop as the evaluation transforms of open_clip and timm do."""
    target = preprocessing.size[::-1]  # (width, height), as Pillow has it
    frame = (preprocessing.scaled or preprocessing.size)[::-1]
    method = Image.Resampling[preprocessing.interpolation.upper()]
    if preprocessing.resize_mode == "bounded":
        scaled = _bounded_size(image.size, frame, preprocessing)
        target = scaled if preprocessing.scaled is None else target
    elif preprocessing.resize_mode == "area":
        target = scaled = _size_of_area(image.size, preprocessing)
    elif preprocessing.resize_mode == "patches":
        target = scaled = _size_of_patches(image.size, preprocessing)
    else:
        scaled = _scaled_size(image.size, frame, preprocessing.resize_mode)
    halves = math.floor if preprocessing.rounding == "down" else round
    image = _resize_and_crop(image, scaled, target, method, halves)
    if image.size != target:
        padded = Image.new("RGB", target, (preprocessing.fill,) * 3)
        left, top = ((t - side) // 2 for t, side in zip(target, image.size, strict=True))
        padded.paste(image, (left, top))
        image = padded
    return np.asarray(image)


def _scaled_size(size: tuple[int, int], target: tuple[int, int], mode: str) -> tuple[int, int]:
    """The size of the whole picture after resizing and before cropping, (width, height)."""
    if mode == "squash":
        return target
    if mode == "shortest" and target[0] == target[1]:  # torchvision's Resize rounds down
        shorter = min(size)
        width, height = (target[0] * side // shorter for side in size)
        return width, height
    ratios = [side / wanted for side, wanted in zip(size, target, strict=True)]
    ratio = max(ratios) if mode == "longest" else min(ratios)
    width, height = (max(round(side / ratio), 1) for side in size)
    return width, height


def _bounded_size(
    size: tuple[int, int], frame: tuple[int, int], preprocessing: Preprocessing
) -> tuple[int, int]:
    """The size of ``bounded`` (width, height), as ViLT rounds it; at least one `divisor`."""
    step = preprocessing.divisor or 1
    scale = min(frame) / min(size)
    if preprocessing.longest:
        scale = min(scale, preprocessing.longest / max(size))
    width, height = (max(int(side * scale + 0.5) // step, 1) * step for side in size)
    return width, height


def _size_of_area(size: tuple[int, int], preprocessing: Preprocessing) -> tuple[int, int]:
    """The size of ``area`` (width, height), as Qwen2-VL rounds it (its `smart_resize`)."""
    if max(size) > MOST_OBLONG * min(size):
        reason = f"{size[0]} x {size[1]} pixels are more than {MOST_OBLONG} times as long as wide"
        raise _RefusedError(Refusal(Status.REFUSED, f"{reason}, which the model does not take"))
    assert preprocessing.n_pixels is not None and preprocessing.divisor is not None
    (least, most), step = preprocessing.n_pixels, preprocessing.divisor
    width, height = (round(side / step) * step for side in size)
    if width * height > most:
        ratio = math.sqrt(size[0] * size[1] / most)
        width, height = (max(math.floor(side / ratio / step) * step, step) for side in size)
    elif width * height < least:
        ratio = math.sqrt(least / (size[0] * size[1]))
        width, height = (math.ceil(side * ratio / step) * step for side in size)
    return width, height


def _size_of_patches(size: tuple[int, int], preprocessing: Preprocessing) -> tuple[int, int]:
    """The size of ``patches`` (width, height), by the bisection of SigLIP 2 NaFlex."""
    assert preprocessing.n_pixels is not None and preprocessing.divisor is not None
    (_, most), step = preprocessing.n_pixels, preprocessing.divisor

    def scaled(scale: float) -> tuple[int, int]:
        width, height = (max(math.ceil(side * scale / step), 1) * step for side in size)
        return width, height

    low, high = EPSILON / 10, 100.0
    while high - low >= EPSILON:
        middle = (low + high) / 2
        low, high = (middle, high) if math.prod(scaled(middle)) <= most else (low, middle)
    return scaled(low)


def _resize_and_crop(
    image: Image.Image,
    scaled: tuple[int, int],
    target: tuple[int, int],
    method: Image.Resampling,
    halves: Callable[[float], int],
) -> Image.Image:
    """Resize to `scaled`, but compute only its centre of the size `target`."""
    width, height = (min(pair) for pair in zip(scaled, target, strict=True))
    left, top = halves((scaled[0] - width) / 2), halves((scaled[1] - height) / 2)
    if max(scaled[0] / width, scaled[1] / height) < LONG_STRIP:
        whole = image.resize(scaled, method)
        return whole.crop((left, top, left + width, top + height))
    x, y = image.size[0] / scaled[0], image.size[1] / scaled[1]
    box = (left * x, top * y, (left + width) * x, (top + height) * y)
    return image.resize((width, height), method, box=box)
