"""Most images are not there, or every row failed: an error with the likely reason, and no store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmfeat.errors import ExtractError
from mmfeat.extract.encoders.base import Pixels
from mmfeat.store import FeatureStore
from mmfeat.tables.table import Table
from tests.support.stage_one.extraction import extract
from tests.support.stage_one.toy import SETTINGS, ToyEncoder, make_picture, make_table

ALLOW = replace(SETTINGS, on_bad_image="allow")


class Unused(ToyEncoder):
    """Fails where something is encoded."""

    def encode_images(self, pixels: Pixels) -> np.ndarray:
        raise AssertionError("encoded although most images are missing")


def renamed(table: Table, old: str, new: str, rows: slice = slice(None)) -> Table:
    paths = list(table.image_paths)
    paths[rows] = [path.replace(old, new) for path in paths[rows]]
    return replace(table, image_paths=tuple(paths))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (".jpg", "", "lacks the suffix .jpg"),
        (".jpg", ".JPG", "case"),
        (".jpg", ".jpg ", "blank"),
        (".jpg", ".png", "not .png"),
        (".jpg", ".gone", "images/0.jpg is there"),
    ],
)
def test_the_likely_reason_is_named_before_anything_is_encoded(
    tmp_path: Path, old: str, new: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = renamed(make_table(tmp_path), old, new)
    with pytest.raises(ExtractError, match="12 of 12 images") as error:
        extract(table, tmp_path, tmp_path / "a.h5", encoder=Unused())
    assert told in str(error.value) and "--on-bad-image allow" in str(error.value)
    assert ("use --image-suffix .jpg, or" in str(error.value)) == (new == "")
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ("train\\", "backslashes"),
        ("C:\\data\\", "backslashes"),
        ("/kaggle/input/", "absolute path outside"),
        ("../images/", "relative to --images"),
        ("images/", "'images' before the name"),
        ("https://example.org/", "URL, which is never fetched"),
    ],
)
def test_paths_of_elsewhere_are_named(tmp_path: Path, before: str, told: str) -> None:
    table = make_table(tmp_path)
    table = replace(table, image_paths=tuple(f"{before}{name}" for name in table.image_paths))
    with pytest.raises(ExtractError, match="12 of 12 images") as error:
        extract(table, tmp_path, tmp_path / "a.h5", encoder=Unused())
    assert told in str(error.value) and "0.jpg is there" in str(error.value)


def test_the_folder_to_name_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = make_table(tmp_path)
    (tmp_path / "images").rename(tmp_path / "train")
    (tmp_path / "images").mkdir()
    (tmp_path / "train").rename(tmp_path / "images" / "train")
    with pytest.raises(ExtractError, match="use --images images/train, or"):
        extract(table, tmp_path, tmp_path / "a.h5", encoder=Unused())


def test_half_of_the_images_may_be_missing_and_more_are_allowed_by_name(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    half = renamed(table, ".jpg", "", slice(0, 6))
    summary = extract(half, tmp_path, tmp_path / "a.h5")
    assert summary.counts["image"] == {"ok": 6, "missing": 6}
    assert any("row 0: the name lacks the suffix .jpg" in note for note in summary.hints)
    more = renamed(table, ".jpg", "", slice(0, 7))
    with pytest.raises(ExtractError, match="7 of 12 images"):
        extract(more, tmp_path, tmp_path / "b.h5")
    allowed = extract(more, tmp_path, tmp_path / "b.h5", settings=ALLOW)
    assert allowed.counts["image"] == {"ok": 5, "missing": 7}


def test_rows_that_name_no_image_do_not_count(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    few = replace(table, image_paths=("0.jpg", "none.jpg", *[""] * 10))
    assert extract(few, tmp_path, tmp_path / "a.h5").counts["image"] == {"ok": 1, "missing": 11}
    none = replace(table, image_paths=("",) * 12)
    with pytest.raises(ExtractError, match=r"no row of .* names an image"):
        extract(none, tmp_path, tmp_path / "b.h5")


def test_every_image_corrupt_is_an_error_and_most_are_not(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    for row in range(11):
        (tmp_path / "images" / f"{row}.jpg").write_bytes(b"<html>")
    assert extract(table, tmp_path, tmp_path / "a.h5").counts["image"] == {"ok": 1, "corrupt": 11}
    (tmp_path / "images" / "11.jpg").write_bytes(b"<html>")
    with pytest.raises(ExtractError, match=r"all (of )?12 rows .* HTML"):
        extract(table, tmp_path, tmp_path / "b.h5")
    assert not (tmp_path / "b.h5").exists()


def test_every_caption_empty_is_an_error(tmp_path: Path) -> None:
    table = replace(make_table(tmp_path), captions=(" ",) * 12)
    with pytest.raises(ExtractError, match=r"the caption is empty; name the column .* --text-col"):
        extract(table, tmp_path, tmp_path / "a.h5")


def test_images_that_are_there_now_are_encoded_by_the_next_call(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    broken = {name: (tmp_path / "images" / name) for name in table.image_paths}
    for path in broken.values():
        path.write_bytes(b"<html>")
    with pytest.raises(ExtractError, match=r"all (of )?12 rows"):
        extract(table, tmp_path, tmp_path / "a.h5")
    assert (tmp_path / "a.h5.parts" / "00000.h5").exists()  # what was done is kept
    for row, path in enumerate(broken.values()):
        path.unlink()
        make_picture(path, seed=row)
    again = extract(table, tmp_path, tmp_path / "a.h5", settings=replace(SETTINGS, workers=0))
    assert again.counts["image"] == {"ok": 12}


def test_a_finished_store_with_failed_images_names_the_retry(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    (tmp_path / "images" / "3.jpg").unlink()
    extract(table, tmp_path, tmp_path / "a.h5")
    again = extract(table, tmp_path, tmp_path / "a.h5")
    assert again.already_complete and "--retry-failed" in str(again)
    with FeatureStore.open(tmp_path / "a.h5") as store:
        assert store.counts["image"] == {"ok": 11, "missing": 1}
