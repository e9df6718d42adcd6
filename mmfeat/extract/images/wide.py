"""Grey pictures of more than 8 bits: scaled to 8 where their range is clear, else refused.

=====================  ==========================================================================
values                 what is done
=====================  ==========================================================================
16-bit integers        divided by 256: black is 0 and white 65535, as PNG and TIFF define it
32-bit integers        as 16 bits, or as 8 bits where none is above 255
floats                 0 to 1, or whole numbers as the integers above
all others             refused: 12 bits stored in 16, heights, temperatures, NaN, negative numbers
=====================  ==========================================================================
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDE_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")
TWELVE_BITS = 1 << 12
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0  # a tag of TIFF


class UnknownRangeError(Exception):
    """The values of a picture have no known black and white."""


def to_8_bits(image: Image.Image) -> Image.Image:
    """Give a picture of one of `WIDE_MODES` in mode L; raise `UnknownRangeError`."""
    values = np.asarray(image)
    grey = _scale(values, may_be_8_bits=not image.mode.startswith("I;16"))
    if image.format == "TIFF" and _tag(image, PHOTOMETRIC) == WHITE_IS_ZERO:
        grey = 255 - grey
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey = np.where(values == clear, np.uint8(255), grey)
    return Image.fromarray(grey)


def _scale(values: NDArray[Any], *, may_be_8_bits: bool) -> NDArray[np.uint8]:
    low, high = float(values.min()), float(values.max())
    whole = values.dtype.kind != "f" or bool((values == np.rint(values)).all())
    if not 0 <= low <= high < 1 << 16:  # False with NaN, too
        raise _unknown(low, high)
    if values.dtype.kind == "f" and high <= 1:
        return _bytes(np.rint(values * 255))
    if high == 0 or (may_be_8_bits and whole and high < 1 << 8):
        return _bytes(values)
    if not whole or high < TWELVE_BITS:
        raise _unknown(low, high)
    return _bytes(values.astype(np.int64) >> 8)


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.asarray(values, np.uint8)


def _unknown(low: float, high: float) -> UnknownRangeError:
    return UnknownRangeError(
        f"its values go from {low:g} to {high:g}, so that black and white are not known;"
        " scale it to 8 bits"
    )


def _tag(image: Image.Image, number: int) -> Any:
    return getattr(image, "tag_v2", {}).get(number)
