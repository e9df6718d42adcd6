"""Images at an address give what a folder gives, and an outage loses nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mmfeat.core.address import Address, folder_or_address
from mmfeat.errors import ExtractError
from mmfeat.extract.encoders.base import Pixels
from mmfeat.extract.guard import Refusal
from mmfeat.extract.images.sources import ImagesAt, open_images
from mmfeat.store import Status
from mmfeat.types import FloatArray
from tests.support.stage_one.extraction import extract_from, repeating_table
from tests.support.stage_one.toy import SETTINGS, ToyEncoder, make_picture, make_table

if TYPE_CHECKING:
    from tests.support.s3 import S3


def read(address: str, *names: str) -> list[bytes | Refusal]:
    return list(open_images(address).read(names))


@pytest.mark.parametrize("workers", [0, 2])
def test_images_at_an_address_give_the_bytes_of_the_folder(
    tmp_path: Path, s3: S3, workers: int
) -> None:
    table = repeating_table(tmp_path)  # one picture is missing
    (tmp_path / "images" / "2.jpg").write_bytes(b"")
    (tmp_path / "images" / "3.jpg").write_bytes(b"not a picture")
    options = replace(SETTINGS, workers=workers)
    here = extract_from(table, tmp_path / "images", tmp_path / "here.h5", settings=options)
    there = extract_from(
        table, s3.upload(tmp_path / "images"), tmp_path / "s3.h5", settings=options
    )
    assert there.counts == here.counts
    assert there.failed == here.failed
    assert (tmp_path / "s3.h5").read_bytes() == (tmp_path / "here.h5").read_bytes()


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("../secret", Status.REFUSED),
        ("a/../../secret", Status.REFUSED),
        ("/made-up/secret", Status.REFUSED),
        ("%2e%2e/secret", Status.REFUSED),
        ("%252E./secret", Status.REFUSED),
        ("..%2fsecret", Status.REFUSED),
        ("..\\secret", Status.REFUSED),
        ("%2fsecret", Status.REFUSED),
        ("a\0.jpg", Status.REFUSED),
        ("a%00.jpg", Status.REFUSED),
        ("x" * 5000, Status.REFUSED),
        ("folder", Status.REFUSED),
        ("*.jpg", Status.MISSING),
        ("[a].jpg", Status.MISSING),
        ("none.jpg", Status.MISSING),
        ("  ", Status.MISSING),
        ("empty.jpg", Status.CORRUPT),
    ],
)
def test_what_is_no_file_of_the_folder_is_told_and_never_read(
    s3: S3, name: str, status: Status
) -> None:
    for path in ("secret", "images/a.jpg", "images/folder/a.jpg"):
        s3.files.pipe_file(f"{s3.bucket}/{path}", b"content")
    s3.files.pipe_file(f"{s3.bucket}/images/empty.jpg", b"")
    found, whole = read(s3.address("images"), name, "folder/a.jpg")
    assert isinstance(found, Refusal) and found.status == status and found.reason
    assert whole == b"content"


def test_large_files_are_read_whole_and_too_large_ones_are_not(s3: S3) -> None:
    names = [f"{size}.jpg" for size in (9, 10, 11, 20, 21)]
    for name in names:
        s3.files.pipe_file(f"{s3.bucket}/images/{name}", b"x" * int(name[:-4]))
    images = ImagesAt(Address(s3.address("images")), first_bytes=10, max_file_bytes=20)
    *contents, last = images.read(names)
    assert [len(content) for content in contents if isinstance(content, bytes)] == [9, 10, 11, 20]
    assert isinstance(last, Refusal) and last.status == Status.TOO_LARGE and "21" in last.reason


def test_a_picture_is_forbidden_only_where_its_folder_is_not(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.files.pipe_file(f"{s3.bucket}/images/a.jpg", b"content")
    call = type(s3.files)._call_s3

    def forbid(what: str) -> None:
        async def called(self: Any, method: str, *given: Any, **options: Any) -> Any:
            if what in options.get("Key", options.get("Prefix", "")):
                raise PermissionError("Forbidden")
            return await call(self, method, *given, **options)

        monkeypatch.setattr(type(s3.files), "_call_s3", called)

    forbid("a.jpg")
    (found,) = read(s3.address("images"), "a.jpg")
    assert isinstance(found, Refusal) and found.status == Status.REFUSED
    assert "Forbidden" in found.reason
    forbid("images")  # as when credentials end in the middle
    with pytest.raises(ExtractError, match=r"Forbidden; check .* the credentials"):
        read(s3.address("images"), "a.jpg")


class StoppingEncoder(ToyEncoder):
    """Stops the server when it has encoded some images."""

    def __init__(self, s3: S3, n_images: int) -> None:
        super().__init__()
        self._s3, self._n_images = s3, n_images

    def encode_images(self, pixels: Pixels) -> FloatArray:
        found = super().encode_images(pixels)
        if self.n_images >= self._n_images:
            self._s3.stop()
        return found


@pytest.mark.parametrize("workers", [0, 1])
def test_an_outage_is_told_and_no_picture_is_blamed(tmp_path: Path, s3: S3, workers: int) -> None:
    table = make_table(tmp_path, n_rows=60)
    options = replace(SETTINGS, workers=workers)
    extract_from(table, tmp_path / "images", tmp_path / "whole.h5", settings=options)
    address, out = s3.upload(tmp_path / "images"), tmp_path / "a.h5"
    stopping = StoppingEncoder(s3, 8)
    with pytest.raises(ExtractError, match=r"^s3://made-up/images must be reachable; .*is kept$"):
        extract_from(table, address, out, encoder=stopping, settings=options)
    assert not out.exists() and (tmp_path / "a.h5.parts" / "00000.h5").exists()
    s3.start()
    encoder = ToyEncoder()
    extract_from(table, address, out, encoder=encoder, settings=options)
    assert encoder.n_images < 60
    assert out.read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_a_place_where_no_images_are(tmp_path: Path, s3: S3) -> None:
    table = make_table(tmp_path)
    for address in ("s3://nowhere/images", "s3://nowhere", s3.address("images")):
        with pytest.raises(ExtractError, match=f"folder; {address} is not a folder"):
            extract_from(table, address, tmp_path / "a.h5")
    text = replace(SETTINGS, modalities=("text",))
    assert extract_from(table, "s3://nowhere/images", tmp_path / "a.h5", settings=text).n_rows == 12
    s3.stop()
    with pytest.raises(ExtractError, match="must be reachable; EndpointConnectionError"):
        extract_from(table, s3.address("images"), tmp_path / "b.h5")


def test_a_folder_of_this_machine_may_be_written_as_an_address(tmp_path: Path) -> None:
    make_picture(tmp_path / "images" / "a.jpg", seed=0)
    make_picture(tmp_path / "secret.jpg", seed=1)
    (tmp_path / "images" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    url = f"file://{tmp_path}/images"
    assert folder_or_address(url) == (tmp_path / "images").resolve()
    picture, link = read(url, "a.jpg", "link.jpg")
    assert isinstance(picture, bytes)
    assert isinstance(link, Refusal) and link.status == Status.REFUSED


def test_a_picture_that_comes_late_is_tried_again(tmp_path: Path, s3: S3) -> None:
    table = make_table(tmp_path)
    late = tmp_path / "images" / "4.jpg"
    content = late.read_bytes()
    late.unlink()
    images, out = s3.upload(tmp_path / "images"), tmp_path / "a.h5"
    assert extract_from(table, images, out).counts["image"] == {"ok": 11, "missing": 1}
    s3.files.pipe_file(f"{s3.bucket}/images/4.jpg", content)
    encoder = ToyEncoder()
    summary = extract_from(table, images, out, encoder=encoder, retry_failed=True)
    assert summary.counts["image"] == {"ok": 12} and encoder.n_images == 1
