"""Files that are nearly named as a table says are found, by bounded work, and named."""

from __future__ import annotations

import time
import unicodedata
from pathlib import Path

import pytest

from mmfeat.extract.images.nearby import find_near


def make_files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"a")
    return folder.resolve()


@pytest.mark.parametrize(
    ("name", "file", "told"),
    [
        ("1", "1.jpg", "lacks the suffix .jpg"),
        ("1", "1.PNG", "lacks the suffix .PNG"),
        ("2021.04", "2021.04.jpg", "lacks the suffix"),
        ("1.0", "1.jpg", "not .0"),
        ("1.jpg", "1.png", "it is .png, not .jpg"),
        ("DSC_1.jpg", "DSC_1.JPG", "case"),
        ("IMG_2.jpeg", "img_2.jpeg", "case"),
        ("Train/a.jpg", "train/A.jpg", "case"),
        (unicodedata.normalize("NFC", "café.jpg"), unicodedata.normalize("NFD", "café.jpg"), "NFD"),
        (unicodedata.normalize("NFD", "café.jpg"), unicodedata.normalize("NFC", "café.jpg"), "NFC"),
        ("train\\1.jpg", "train/1.jpg", "backslashes"),
        ("C:\\data\\images\\1.jpg", "1.jpg", "before the name"),
        ("/kaggle/input/train/1.jpg", "train/1.jpg", "before the name"),
        ("images/1.jpg", "1.jpg", "before the name"),
        ("1.jpg ", "1.jpg", "blank"),
        (" 1.jpg", "1.jpg", "blank"),
        ("https://example.org/images/1.jpg", "1.jpg", "before the name"),
        ("1.jpg;2.jpg", "1.jpg", "several images"),
        ("a%20b.jpg", "a b.jpg", "URL"),
        ("1", "000001.jpg", "zeros in front"),
        ("00012.jpg", "12.jpg", "zeros in front"),
    ],
)
def test_another_spelling_is_found(tmp_path: Path, name: str, file: str, told: str) -> None:
    folder = make_files(tmp_path / "images", file, "other.gif")
    near = find_near(folder, name)
    assert near is not None and (near.file, near.folder) == (file, folder)
    assert told in near.why


@pytest.mark.parametrize("name", ["1.jpg", "1", "1.JPG"])
def test_folders_inside_around_and_beside_are_looked_into(tmp_path: Path, name: str) -> None:
    folder = make_files(tmp_path, "data/train/1.jpg", "data/val/none.jpg")
    for asked in (folder / "data", folder / "data" / "val", folder / "data" / "train" / "deep"):
        asked.mkdir(exist_ok=True)
        near = find_near(asked, name)
        assert near is not None and near.folder / near.file == folder / "data/train/1.jpg"
        assert bool(near.why) == (name != "1.jpg")


@pytest.mark.parametrize(
    "name", ["none.jpg", "", "a\0b", "x" * 5000, "..", "/", "a/../b", "\ud800"]
)
def test_what_is_like_nothing_gives_nothing(tmp_path: Path, name: str) -> None:
    assert find_near(make_files(tmp_path, "1.jpg", "sub/2.jpg"), name) is None


def test_work_is_bounded(tmp_path: Path) -> None:
    names = [f"{number}/deep/x.jpg" for number in range(300)]
    folder = make_files(tmp_path, *names, *(f"many{i}.gif" for i in range(2000)))
    started = time.monotonic()
    assert find_near(folder, "/".join(["very"] * 200) + "/deep/none.jpg") is None
    assert time.monotonic() - started < 10
