"""Files that are not read are named for what they are; all formats that are promised are read."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, features

from mmfeat.extract.encoders import Preprocessing
from mmfeat.extract.guard import Refusal
from mmfeat.extract.images.formats import FORMATS, describe
from mmfeat.extract.images.read import decode_image
from mmfeat.store import Status

SQUASH = Preprocessing(size=(8, 8), resize_mode="squash", mean=(0.5,) * 3, std=(0.5,) * 3)
RED = (200, 30, 40)


def decoded(content: bytes) -> np.ndarray | Refusal:
    found = decode_image(content, preprocessing=SQUASH, max_pixels=10**6, fast=False)
    return found if isinstance(found, Refusal) else found[0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"<html><body>403 Forbidden</body></html>", "HTML"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html>\n<html>", "HTML"),
        (b"<?xml version='1.0'?><!DOCTYPE html PUBLIC ''><html/>", "HTML"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<?xml version='1.0'?>\n<!-- made by hand -->\n<svg/>", "SVG"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML"),
        (b'{"error": "not found"}', "JSON"),
        (b"%PDF-1.4\n" + bytes(500), "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (bytes(128) + b"DICM" + bytes(500), "DICOM"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(4000), "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf" + bytes(4000), "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0mif1avif" + bytes(400), "AVIF"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isom" + bytes(400), "video"),
        (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ", "JPEG 2000"),
        (b"\xff\x4f\xff\x51" + bytes(400), "JPEG 2000"),
        (b"\xff\x0a" + bytes(400), "JPEG XL"),
        (b"8BPS\0\x01" + bytes(400), "Photoshop"),
        (b"PK\x03\x04" + bytes(400), "ZIP"),
        (b"\x1f\x8b\x08" + bytes(400), "archive"),
        (b"\x93NUMPY\x01\0", "NumPy"),
        (bytes(5000), "zeros"),
        (b"only words\n", "the file is text"),
        (b"\x07\x00\xfe\xc3" * 9, "unknown kind"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_is_named_for_what_it_is(content: bytes, told: str) -> None:
    found = decoded(content)
    assert isinstance(found, Refusal) and found.status == Status.CORRUPT
    assert told in found.reason and "MPO" not in found.reason


def test_the_extra_that_reads_heic_is_named_where_it_is_not_installed() -> None:
    told = describe(b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf", FORMATS)
    assert "mmfeat[heic]" in told and "JPEG or PNG" in told


def test_heic_is_read_with_its_extra() -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    out = io.BytesIO()
    Image.new("RGB", (64, 48), RED).save(out, "HEIF", quality=95)
    pixels = decoded(out.getvalue())
    assert not isinstance(pixels, Refusal)
    assert np.abs(pixels.astype(int) - RED).max() <= 4
    cut = decoded(out.getvalue()[:200])
    assert isinstance(cut, Refusal) and "HEIC" in cut.reason and "damaged" in cut.reason


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_is_read() -> None:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), RED).save(out, "AVIF", quality=95)
    pixels = decoded(out.getvalue())
    assert not isinstance(pixels, Refusal)
    assert np.abs(pixels.astype(int) - RED).max() <= 4


def test_mpo_is_read_as_its_first_picture() -> None:
    red, other = Image.new("RGB", (64, 48), RED), Image.new("RGB", (64, 48))
    plain, phone = io.BytesIO(), io.BytesIO()
    red.save(plain, "JPEG", quality=95)
    red.save(phone, "MPO", save_all=True, append_images=[other], quality=95)
    assert Image.open(phone).format == "MPO"
    first, same = (np.asarray(decoded(file.getvalue())) for file in (phone, plain))
    assert first.shape == (8, 8, 3) and np.array_equal(first, same)
