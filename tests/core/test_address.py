"""Images and shards at an address give what folders give, and an outage loses nothing."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from mmfeat.config import ExtractSettings
from mmfeat.core.address import Address, folder_or_address
from mmfeat.errors import ConfigError, ExtractError, MmfeatError, PluginError
from mmfeat.extract import ExtractSummary, extract_table, help_extract
from mmfeat.extract.encoders.base import Pixels
from mmfeat.extract.images import sources
from mmfeat.extract.images.guard import Refusal
from mmfeat.extract.images.sources import open_images
from mmfeat.report.thumbnails import Thumbnails
from mmfeat.store import FeatureStore, Status
from mmfeat.types import FloatArray, Table
from tests.support.extraction import InterruptedEncoder, repeating_table
from tests.support.toy import SETTINGS, ToyEncoder, make_picture, make_table
from tests.support.workspaces import Mmfeat

if TYPE_CHECKING:
    from tests.support.s3 import S3


def extract(
    table: Table,
    images: Path | str,
    out: Path,
    *,
    encoder: ToyEncoder | None = None,
    settings: ExtractSettings = SETTINGS,
    retry_failed: bool = False,
) -> ExtractSummary:
    return extract_table(
        table,
        images=images,
        encoder=encoder or ToyEncoder(),
        out=out,
        settings=settings,
        retry_failed=retry_failed,
    )


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
    here = extract(table, tmp_path / "images", tmp_path / "here.h5", settings=options)
    there = extract(table, s3.upload(tmp_path / "images"), tmp_path / "s3.h5", settings=options)
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


def test_large_files_are_read_whole_and_too_large_ones_are_not(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "FIRST_BYTES", 10)
    monkeypatch.setattr(sources, "MAX_FILE_BYTES", 20)
    names = [f"{size}.jpg" for size in (9, 10, 11, 20, 21)]
    for name in names:
        s3.files.pipe_file(f"{s3.bucket}/images/{name}", b"x" * int(name[:-4]))
    *contents, last = read(s3.address("images"), *names)
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
    extract(table, tmp_path / "images", tmp_path / "whole.h5", settings=options)
    address, out = s3.upload(tmp_path / "images"), tmp_path / "a.h5"
    stopping = StoppingEncoder(s3, 8)
    with pytest.raises(ExtractError, match=r"^s3://made-up/images must be reachable; .*is kept$"):
        extract(table, address, out, encoder=stopping, settings=options)
    assert not out.exists() and (tmp_path / "a.h5.parts" / "00000.h5").exists()
    s3.start()
    encoder = ToyEncoder()
    extract(table, address, out, encoder=encoder, settings=options)
    assert encoder.n_images < 60
    assert out.read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_a_place_where_no_images_are(tmp_path: Path, s3: S3) -> None:
    table = make_table(tmp_path)
    for address in ("s3://nowhere/images", "s3://nowhere", s3.address("images")):
        with pytest.raises(ExtractError, match=f"folder; {address} is none"):
            extract(table, address, tmp_path / "a.h5")
    text = replace(SETTINGS, modalities=("text",))
    assert extract(table, "s3://nowhere/images", tmp_path / "a.h5", settings=text).n_rows == 12
    s3.stop()
    with pytest.raises(ExtractError, match="must be reachable; EndpointConnectionError"):
        extract(table, s3.address("images"), tmp_path / "b.h5")


@pytest.mark.parametrize(
    "url", ["nope://a", "s3://", "dir://a", "simplecache::s3://a/b", "zip://a::s3://b/c"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=f"fsspec; {re.escape(url)}: "):
        Address(url).open()


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(_registry, "s3", raising=False)
    with pytest.raises(PluginError, match=r"pip install 'mmfeat\[s3\]'"):
        Address("s3://a/b").open()


def test_a_password_is_not_told(s3: S3) -> None:
    assert s3
    address = Address("s3://me:secret@bucket/images")
    with pytest.raises(ExtractError) as error:
        address.names()
    assert "bucket" in str(error.value) and "secret" not in f"{address} {error.value}"


def test_a_folder_of_this_machine_may_be_written_as_an_address(tmp_path: Path) -> None:
    make_picture(tmp_path / "images" / "a.jpg", seed=0)
    make_picture(tmp_path / "secret.jpg", seed=1)
    (tmp_path / "images" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    url = f"file://{tmp_path}/images"
    assert folder_or_address(url) == (tmp_path / "images").resolve()
    picture, link = read(url, "a.jpg", "link.jpg")
    assert isinstance(picture, bytes)
    assert isinstance(link, Refusal) and link.status == Status.REFUSED


def test_another_protocol(tmp_path: Path) -> None:
    files = MemoryFileSystem()
    files.pipe_file("/made-up/a.jpg", b"content")
    assert read("memory://made-up", "a.jpg", "../a.jpg")[0] == b"content"
    (tmp_path / "00000.h5").write_bytes(b"shard")
    address = Address("memory://made-up/shards")
    assert address.names() == set()
    address.put(tmp_path / "00000.h5")
    (tmp_path / "00000.h5").unlink()
    assert address.names() == {"00000.h5"} and address.get(tmp_path / "00000.h5")
    assert (tmp_path / "00000.h5").read_bytes() == b"shard"
    address.remove(["00000.h5", "00001.h5"])
    assert address.names() == set() and not address.get(tmp_path / "00001.h5")
    assert files.exists("/made-up/a.jpg")


def stop_after(images: Path | str, out: Path, table: Table, settings: ExtractSettings) -> None:
    """Interrupt an extraction that has encoded the first 11 images."""
    with pytest.raises(KeyboardInterrupt):
        extract(table, images, out, encoder=InterruptedEncoder(11), settings=settings)


def test_another_machine_goes_on_and_leaves_nothing(tmp_path: Path, s3: S3) -> None:
    table = make_table(tmp_path, n_rows=20)
    images = s3.upload(tmp_path / "images")
    extract(table, images, tmp_path / "whole.h5")
    before = s3.names()
    options = replace(SETTINGS, shards=s3.address("images"))  # beside them is no harm
    one, two = tmp_path / "one/features/a.h5", tmp_path / "two/features/a.h5"
    stop_after(images, one, table, options)
    kept = [name for name in s3.names() if name not in before]
    assert [Path(name).name for name in kept] == ["00000.h5", "00001.h5", "provenance.json"]
    assert all(re.match(r"images/features-a-[0-9a-f]{12}/", name) for name in kept)
    encoder = ToyEncoder()
    extract(table, images, two, encoder=encoder, settings=options)
    assert encoder.n_images == 10
    assert s3.names() == before
    extract(table, images, one, settings=options)
    assert s3.names() == before
    whole = (tmp_path / "whole.h5").read_bytes()
    assert one.read_bytes() == whole and two.read_bytes() == whole


def test_a_damaged_shard_is_made_again_and_put_again(tmp_path: Path, s3: S3) -> None:
    table = make_table(tmp_path, n_rows=20)
    images = s3.upload(tmp_path / "images")
    extract(table, images, tmp_path / "whole.h5")
    options = replace(SETTINGS, shards=s3.address("shards"))
    one, two = tmp_path / "one/features/a.h5", tmp_path / "two/features/a.h5"
    stop_after(images, one, table, options)
    (name,) = [name for name in s3.names() if name.endswith("00001.h5")]
    content = s3.files.cat_file(f"{s3.bucket}/{name}")
    s3.files.pipe_file(f"{s3.bucket}/{name}", content[:100])
    stop_after(images, two, table, options)
    assert s3.files.cat_file(f"{s3.bucket}/{name}") == content
    extract(table, images, two, settings=options)
    assert two.read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_what_helpers_of_torchrun_make_reaches_another_machine(tmp_path: Path, s3: S3) -> None:
    table = make_table(tmp_path, n_rows=20)
    extract(table, tmp_path / "images", tmp_path / "whole.h5")
    options = replace(SETTINGS, engine="torchrun", shards=s3.address("shards"))
    images = s3.upload(tmp_path / "images")
    helped = tmp_path / "one/features/a.h5"
    help_extract(table, images=images, encoder=ToyEncoder(), out=helped, settings=options)
    encoder, out = ToyEncoder(), tmp_path / "two/features/a.h5"
    extract(table, images, out, encoder=encoder, settings=options)
    assert encoder.n_images == encoder.n_captions == 0
    assert out.read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_a_picture_that_comes_late_is_tried_again(tmp_path: Path, s3: S3) -> None:
    table = make_table(tmp_path)
    late = tmp_path / "images" / "4.jpg"
    content = late.read_bytes()
    late.unlink()
    images, out = s3.upload(tmp_path / "images"), tmp_path / "a.h5"
    assert extract(table, images, out).counts["image"] == {"ok": 11, "missing": 1}
    s3.files.pipe_file(f"{s3.bucket}/images/4.jpg", content)
    encoder = ToyEncoder()
    summary = extract(table, images, out, encoder=encoder, retry_failed=True)
    assert summary.counts["image"] == {"ok": 12} and encoder.n_images == 1


def test_shards_of_another_extraction_are_not_taken(tmp_path: Path, s3: S3) -> None:
    table = make_table(tmp_path, n_rows=20)
    options = replace(SETTINGS, shards=s3.address("shards"))
    out = tmp_path / "one/features/a.h5"
    stop_after(tmp_path / "images", out, table, options)
    others: dict[Path, dict[str, object]] = {
        tmp_path / "two/features/b.h5": {},
        tmp_path / "two/blurred/a.h5": {},
        tmp_path / "two/features/a.h5": {"dtype": "float32"},
    }
    for other, change in others.items():
        encoder = ToyEncoder()
        settings = replace(options, **change)  # type: ignore[arg-type]
        extract(table, tmp_path / "images", other, encoder=encoder, settings=settings)
        assert encoder.n_images == 20
    assert sum(name.endswith(".h5") for name in s3.names()) == 2


def test_shards_are_as_old_as_at_their_address(tmp_path: Path, s3: S3) -> None:
    table = make_table(tmp_path, n_rows=20)
    options = replace(SETTINGS, shards=s3.address("shards"))
    stop_after(tmp_path / "images", tmp_path / "one/features/a.h5", table, options)
    make_picture(tmp_path / "images" / "3.jpg", seed=99)
    extract(table, tmp_path / "images", tmp_path / "two/features/a.h5", settings=options)
    extract(table, tmp_path / "images", tmp_path / "whole.h5")
    whole = (tmp_path / "whole.h5").read_bytes()
    assert (tmp_path / "two/features/a.h5").read_bytes() == whole


def test_where_nothing_can_be_put_is_told_before_anything_is_encoded(
    tmp_path: Path, s3: S3
) -> None:
    table, encoder = make_table(tmp_path), ToyEncoder()
    for shards, error in (
        ("s3://nowhere/shards", "s3://nowhere/shards/.* must be reachable; FileNotFoundError"),
        (str(tmp_path), "--shards takes an address"),
        (f"file://{tmp_path}", "--shards takes an address"),
        ("nope://a", "Protocol not known"),
    ):
        with pytest.raises(MmfeatError, match=error):
            extract(
                table,
                tmp_path / "images",
                tmp_path / "a.h5",
                encoder=encoder,
                settings=replace(SETTINGS, shards=shards),
            )
    assert encoder.n_images == encoder.n_captions == 0 and s3.names() == []


def test_a_store_is_finished_even_if_its_shards_cannot_be_removed(
    tmp_path: Path, s3: S3, caplog: pytest.LogCaptureFixture
) -> None:
    table = make_table(tmp_path)
    options = replace(SETTINGS, shards=s3.address("shards"))
    s3.stop()
    out = tmp_path / "a.h5"
    extract(table, tmp_path / "images", out)
    assert extract(table, tmp_path / "images", out, settings=options).already_complete
    assert "its shards are left there: s3://made-up/shards" in caplog.text


def test_the_report_shows_pictures_of_an_address(
    tmp_path: Path, s3: S3, caplog: pytest.LogCaptureFixture
) -> None:
    make_picture(tmp_path / "images" / "a.jpg", seed=0)
    thumbnails = Thumbnails(s3.upload(tmp_path / "images"), limit=9)
    assert thumbnails.take("a.jpg")[0].startswith("data:image/jpeg;base64,")
    assert thumbnails.take("../a.jpg")[0] == ""
    s3.stop()
    assert thumbnails.take("a.jpg") == ("", "the images cannot be read")
    assert thumbnails.take("a.jpg")[0] == ""
    assert caplog.text.count("must be reachable") == 1


def test_the_command_line_takes_addresses(
    tmp_path: Path, s3: S3, mmfeat: Mmfeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_table(tmp_path)
    monkeypatch.chdir(tmp_path)
    images = s3.upload(tmp_path / "images")
    (tmp_path / "mmfeat.toml").write_text(f'[data]\nimages = "{images}"\n')
    line = ["extract", "table.csv", "--model", "tiny-demo", "--workers", "1"]
    done = mmfeat(*line, "--shards", s3.address("shards"))
    assert done.exit_code == 0, done.stderr
    assert "12 ok" in done.stdout
    done = mmfeat(*line, "--images", "images", "--out", "here.h5")
    assert done.exit_code == 0, done.stderr
    with (
        FeatureStore.open(tmp_path / "here.h5") as here,
        FeatureStore.open(tmp_path / "artifacts/features/table.h5") as there,
    ):
        assert np.array_equal(here.embeddings("image"), there.embeddings("image"))
        assert here.digest == there.digest
    failed = mmfeat(*line, "--images", "s3://nowhere/images", "--out", "b.h5")
    assert failed.exit_code == 1
    assert failed.stderr.strip().splitlines()[-1].startswith("error: the images must lie in")
