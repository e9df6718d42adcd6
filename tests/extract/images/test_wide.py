"""Grey pictures of 16 bits and of floats look like those of 8 bits, or are refused."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mmfeat.extract.encoders import Preprocessing
from mmfeat.extract.guard import Refusal
from mmfeat.extract.images.read import decode_image
from mmfeat.store import Status

WHOLE = Preprocessing(size=(16, 16), resize_mode="squash", mean=(0.5,) * 3, std=(0.5,) * 3)
GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)
WIDE = GREY.astype(np.uint16) * 257  # black 0, white 65535


def decode(values: NDArray[Any], kind: str, **options: Any) -> NDArray[np.uint8] | Refusal:
    out = io.BytesIO()
    Image.fromarray(values).save(out, kind, **options)
    found = decode_image(out.getvalue(), preprocessing=WHOLE, max_pixels=10**6, fast=False)
    return found if isinstance(found, Refusal) else found[0][..., 0]


def read(values: NDArray[Any], kind: str, **options: Any) -> NDArray[np.uint8]:
    found = decode(values, kind, **options)
    assert not isinstance(found, Refusal), found
    return found


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (WIDE, "PNG"),
        (WIDE, "TIFF"),
        (WIDE.astype(">u2"), "TIFF"),
        (WIDE.astype(np.int32), "TIFF"),
        (GREY.astype(np.int32), "TIFF"),
        ((GREY / 255).astype(np.float32), "TIFF"),
        (GREY.astype(np.float32), "TIFF"),
        (WIDE.astype(np.float32), "TIFF"),
    ],
    ids=["png16", "tiff16", "tiff16-big", "tiff32", "tiff32-8", "0-1", "0-255", "0-65535"],
)
def test_wide_grey_is_that_of_8_bits(values: NDArray[Any], kind: str) -> None:
    assert np.array_equal(read(values, kind), GREY)


def test_white_may_be_zero_in_tiff() -> None:
    assert np.array_equal(read(65535 - WIDE, "TIFF", tiffinfo={262: 0}), GREY)


def test_a_black_picture_is_black() -> None:
    assert np.array_equal(read(WIDE * 0, "PNG"), GREY * 0)


@pytest.mark.parametrize(
    "values",
    [
        GREY.astype(np.uint16) << 4,  # 12 bits in 16
        GREY.astype(np.float32) - 100,
        GREY.astype(np.float32) * 1.5,
        GREY.astype(np.float32) * 1e9,
        np.where(GREY == 7, np.nan, GREY).astype(np.float32),
        np.where(GREY == 7, np.inf, GREY).astype(np.float32),
        GREY.astype(np.int32) - 1,
    ],
    ids=["12-bits", "negative", "fractions", "huge", "nan", "inf", "negative-integers"],
)
def test_a_range_that_is_not_known_is_refused(values: NDArray[Any]) -> None:
    found = decode(values, "TIFF")
    assert isinstance(found, Refusal) and found.status == Status.REFUSED
    assert "scale it to 8 bits" in found.reason
