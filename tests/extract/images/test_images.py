"""Pictures of every kind become the pixels they should; hostile ones a status and a reason."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import open_clip
import pytest
from numpy.typing import NDArray
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from mmfeat.config import ExtractSettings
from mmfeat.extract.encoders import Preprocessing
from mmfeat.extract.guard import Refusal, read_image_file
from mmfeat.extract.images.read import decode_image
from mmfeat.store import Status

CLIP = Preprocessing(
    size=(32, 32), mean=open_clip.OPENAI_DATASET_MEAN, std=open_clip.OPENAI_DATASET_STD
)
SQUASH = Preprocessing(size=(8, 8), resize_mode="squash", mean=(0.5,) * 3, std=(0.5,) * 3)


def decode(
    path: Path, preprocessing: Preprocessing = SQUASH, *, max_pixels: int = 10_000_000
) -> NDArray[np.uint8]:
    decoded = decode_image(
        read_image_file(path.parent.resolve(), path.name),
        preprocessing=preprocessing,
        max_pixels=max_pixels,
        fast=False,
    )
    assert not isinstance(decoded, Refusal), decoded
    return decoded[0]


def refusal(folder: Path, name: str, *, max_pixels: int = 10_000_000) -> Refusal:
    decoded = decode_image(
        read_image_file(folder.resolve(), name),
        preprocessing=SQUASH,
        max_pixels=max_pixels,
        fast=False,
    )
    assert isinstance(decoded, Refusal)
    return decoded


def picture(size: tuple[int, int], *, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (7, 9, 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


@pytest.mark.parametrize("size", [(64, 48), (48, 64), (50, 50), (33, 200), (20, 11), (1, 1)])
@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("target", [(32, 32), (24, 40)])
def test_the_pixels_are_those_of_open_clip(
    tmp_path: Path, size: tuple[int, int], mode: str, target: tuple[int, int]
) -> None:
    path = tmp_path / "a.png"
    picture(size).save(path)
    preprocessing = Preprocessing(
        size=target, resize_mode=mode, fill=7, mean=CLIP.mean, std=CLIP.std
    )
    config = PreprocessCfg(size=target, resize_mode=mode, fill_color=7, mean=(0,) * 3, std=(1,) * 3)
    reference = image_transform_v2(config, is_train=False)(Image.open(path))
    wanted = (reference.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    assert np.array_equal(decode(path, preprocessing), wanted)


def test_a_long_strip_is_cut_without_resizing_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    picture((20, 4000)).save(path)
    config = PreprocessCfg(size=(32, 32), mean=(0,) * 3, std=(1,) * 3)
    reference = image_transform_v2(config, is_train=False)(Image.open(path))
    wanted = reference.permute(1, 2, 0).numpy() * 255
    assert np.abs(decode(path, CLIP) - wanted).max() <= 2
    picture((1, 4000)).save(path)
    assert decode(path, CLIP).shape == (32, 32, 3)


def plain(colour: object, mode: str = "RGB", size: tuple[int, int] = (12, 12)) -> Image.Image:
    return Image.new(mode, size, colour)  # type: ignore[arg-type]


RED = (200, 30, 40)


@pytest.mark.parametrize(
    ("image", "suffix", "wanted"),
    [
        (plain(RED), "png", RED),
        (plain(90, "L"), "png", (90, 90, 90)),
        (plain(1, "1"), "png", (255, 255, 255)),
        (plain(RED).convert("P", palette=Image.Palette.ADAPTIVE), "gif", RED),
        (plain(RED).convert("CMYK"), "jpg", RED),
        (plain(180 * 256, "I;16"), "png", (180, 180, 180)),
        (plain(180 * 256, "I;16"), "tif", (180, 180, 180)),
        (plain(77.0, "F"), "tif", (77, 77, 77)),
        (plain((*RED, 0), "RGBA"), "png", (255, 255, 255)),
        (plain((*RED, 255), "RGBA"), "png", RED),
        (plain((0, 0, 0, 128), "RGBA"), "png", (127, 127, 127)),
        (plain((60, 0), "LA"), "png", (255, 255, 255)),
        (plain(RED), "webp", RED),
        (plain(RED), "bmp", RED),
        (plain(RED, size=(1, 1)), "png", RED),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else None,
)
def test_unusual_pictures(
    tmp_path: Path, image: Image.Image, suffix: str, wanted: tuple[int, int, int]
) -> None:
    path = tmp_path / f"a.{suffix}"
    image.save(path)
    assert np.abs(decode(path).astype(int) - wanted).max() <= 4


def test_a_transparent_colour_of_png_is_white(tmp_path: Path) -> None:
    plain(RED).save(tmp_path / "a.png", transparency=RED)
    assert (decode(tmp_path / "a.png") == 255).all()
    palette = plain(0, "P")
    palette.putpalette([*RED] + [0] * 765)
    palette.save(tmp_path / "b.png", transparency=0)
    assert (decode(tmp_path / "b.png") == 255).all()


def test_of_animated_pictures_the_first_frame_counts(tmp_path: Path) -> None:
    for suffix in ("gif", "webp", "png", "tif"):
        path = tmp_path / f"a.{suffix}"
        plain(RED).save(path, save_all=True, append_images=[plain((0, 0, 255))])
        assert np.abs(decode(path).astype(int) - RED).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    upright = plain((0, 0, 0), size=(16, 16))
    upright.paste(plain((255, 0, 0), size=(8, 8)), (0, 0))
    upright.paste(plain((0, 255, 0), size=(8, 8)), (8, 0))
    stored_as = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright if orientation == 1 else upright.transpose(stored_as[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    upright.save(tmp_path / "b.png")
    assert np.array_equal(decode(tmp_path / "a.png"), decode(tmp_path / "b.png"))


def test_fast_decoding_is_close(tmp_path: Path) -> None:
    picture((640, 480)).save(tmp_path / "a.jpg", quality=92)
    content = read_image_file(tmp_path.resolve(), "a.jpg")
    fast = decode_image(content, preprocessing=CLIP, max_pixels=10**7, fast=True)
    assert not isinstance(fast, Refusal)
    assert np.abs(fast[0].astype(int) - decode(tmp_path / "a.jpg", CLIP)).mean() < 4


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "a/../../secret.png", "nul\0.png", "link.png", "out/x"]
)
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    plain(RED).save(tmp_path / "secret.png")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "out").symlink_to(tmp_path)
    found = refusal(folder, name.replace("out/x", "out/secret.png"))
    assert found.status == Status.REFUSED and found.reason


def test_links_inside_the_folder_and_a_linked_folder_are_fine(tmp_path: Path) -> None:
    (tmp_path / "images" / "deep").mkdir(parents=True)
    plain(RED).save(tmp_path / "images" / "deep" / "a.png")
    (tmp_path / "images" / "b.png").symlink_to("deep/a.png")
    (tmp_path / "alias").symlink_to(tmp_path / "images")
    assert isinstance(read_image_file((tmp_path / "alias").resolve(), "b.png"), bytes)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop.png").symlink_to("loop.png")
    for name in ("pipe.png", "folder.png", "loop.png", "x" * 5000):
        assert refusal(tmp_path, name).status == Status.REFUSED
    assert refusal(tmp_path, "none.png").status == Status.MISSING
    assert refusal(tmp_path, "  ").status == Status.MISSING


def test_broken_files_are_corrupt(tmp_path: Path) -> None:
    whole = io.BytesIO()
    picture((200, 200)).save(whole, format="JPEG")
    contents = {
        "empty.jpg": b"",
        "text.jpg": b"<html>not found</html>",
        "cut.jpg": whole.getvalue()[: len(whole.getvalue()) // 2],
        "head.jpg": whole.getvalue()[:20],
        "script.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        found = refusal(tmp_path, name)
        assert found.status == Status.CORRUPT and found.reason, name


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def test_bombs_are_too_large_before_anything_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png_that_claims(60_000, 60_000))
    found = refusal(tmp_path, "bomb.png")
    assert found.status == Status.TOO_LARGE and "60000 x 60000" in found.reason
    picture((64, 64)).save(tmp_path / "a.png")
    assert refusal(tmp_path, "a.png", max_pixels=64 * 64 - 1).status == Status.TOO_LARGE
    assert decode(tmp_path / "a.png", max_pixels=64 * 64).shape == (8, 8, 3)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_a_scan_of_a_hundred_megapixels_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scan.{suffix}"
    small = picture((10, 10))
    small.resize((10_000, 10_000), Image.Resampling.NEAREST).save(path)
    limit = ExtractSettings().max_pixels
    pixels = decode(path, max_pixels=limit)
    expected = np.asarray(small.resize((8, 8), Image.Resampling.BICUBIC))
    assert np.abs(pixels.astype(float) - expected).mean() < 12
    assert refusal(tmp_path, path.name, max_pixels=10**8 - 1).status == Status.TOO_LARGE


def test_damaged_pictures_never_raise(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for suffix in ("jpg", "png", "webp", "gif", "tif"):
        whole = io.BytesIO()
        picture((40, 30)).save(whole, format={"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix))
        for _ in range(40):
            content = bytearray(whole.getvalue())
            for at in rng.integers(0, len(content), 6):
                content[at] = rng.integers(256)
            decoded = decode_image(
                bytes(content), preprocessing=SQUASH, max_pixels=10**6, fast=False
            )
            assert isinstance(decoded, Refusal) or decoded[0].shape == (8, 8, 3), suffix
