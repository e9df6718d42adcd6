"""What is large in a file is bounded where it costs time, and harmless where it does not."""

from __future__ import annotations

import io
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mmfeat.extract.encoders import Preprocessing
from mmfeat.extract.guard import Refusal
from mmfeat.extract.images.read import decode_image
from mmfeat.extract.images.scans import SCANS, WORK, count_scans, refuse_scans
from mmfeat.store import Status

SQUASH = Preprocessing(size=(8, 8), resize_mode="squash", mean=(0.5,) * 3, std=(0.5,) * 3)
RED = (200, 30, 40)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def with_scans(side: int, n_more: int) -> bytes:
    """A progressive JPEG whose last scan is there `n_more` times more."""
    content = saved(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    last = content.rfind(b"\xff\xda")
    return content[:-2] + content[last:-2] * n_more + b"\xff\xd9"


def test_a_jpeg_of_very_many_scans_is_refused_at_once() -> None:
    content, started = with_scans(8000, 2000), time.monotonic()
    found = decode_image(content, preprocessing=SQUASH, max_pixels=10**8, fast=False)
    assert isinstance(found, Refusal) and found.status == Status.TOO_LARGE
    assert "2006 scans" in found.reason and time.monotonic() - started < 10


def test_scans_are_those_of_the_first_picture() -> None:
    grey = Image.new("L", (64, 64), 128)
    plain = saved(grey, "JPEG")
    assert count_scans(plain) == 1
    assert count_scans(saved(grey, "JPEG", progressive=True)) == 6
    assert count_scans(with_scans(64, 40)) == 46
    assert count_scans(plain + with_scans(64, 40)) == 1  # bytes behind the end, e.g. a video
    exif = Image.Exif()
    exif[0x010E] = "\u00ff\u00da" * 200
    assert count_scans(saved(grey, "JPEG", exif=exif)) == 1
    assert count_scans(plain[:30]) == 0 and count_scans(b"") == 0


def test_few_scans_and_small_pictures_are_allowed() -> None:
    assert refuse_scans(with_scans(64, SCANS), 64 * 64) is None
    assert refuse_scans(with_scans(64, SCANS), WORK) is not None
    assert refuse_scans(with_scans(64, 4), WORK) is None


@pytest.mark.parametrize("place", ["before", "behind"])
@pytest.mark.parametrize("kind", ["profile", "text"])
def test_a_png_with_large_metadata_is_read(kind: str, place: str) -> None:
    texts = PngInfo()
    texts.add_text("comment", "x" * 3_000_000, zip=True)
    options = {"icc_profile": bytes(3_000_000)} if kind == "profile" else {"pnginfo": texts}
    image = Image.new("RGB", (12, 12), RED)
    content = saved(image, "PNG", **options)
    if place == "behind":  # the chunk stands after the pixels
        name = b"iCCP" if kind == "profile" else b"zTXt"
        start = content.index(name) - 4
        end = start + 12 + int.from_bytes(content[start : start + 4], "big")
        last = content.rindex(b"IEND") - 4
        content = content[:start] + content[end:last] + content[start:end] + content[last:]
    found = decode_image(content, preprocessing=SQUASH, max_pixels=10**6, fast=False)
    assert not isinstance(found, Refusal)
    assert (found[0] == np.array(RED)).all()


def test_a_large_picture_names_the_option_that_allows_it() -> None:
    content = saved(Image.new("L", (64, 64)), "PNG")
    found = decode_image(content, preprocessing=SQUASH, max_pixels=4095, fast=False)
    assert isinstance(found, Refusal) and found.status == Status.TOO_LARGE
    assert "--max-pixels" in found.reason
