"""A folder of images as a table: sorted, nested, and nothing but images below it."""

from __future__ import annotations

import os
from pathlib import Path

import fsspec
import pytest

from mmfeat.errors import ExtractError
from mmfeat.extract.images.folder import table_of_images


def test_images_are_listed_in_order_and_other_files_are_counted(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    for path in ("b.jpg", "a.JPG", "é/c.png", "é/deep/d.webp", "notes.txt", ".h/e.jpg", ".f.jpg"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    outside.mkdir()
    (outside / "o.jpg").touch()
    (folder / "linked").symlink_to(outside)
    (folder / "é" / "loop").symlink_to(folder)
    (folder / "out.jpg").symlink_to(outside / "o.jpg")  # refused when it is read, and told
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff.jpg")).touch()
    table = table_of_images(folder)
    assert table.ids == ("a.JPG", "b.jpg", "out.jpg", "é/c.png", "é/deep/d.webp")
    assert table.image_paths == table.ids and table.captions == ("",) * 5
    assert table.notes == ("6 other files, e.g. .f.jpg, left out",)


def test_a_folder_without_images_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ExtractError, match=r"has none, and 1 other file, e\.g\. notes\.txt"):
        table_of_images(tmp_path)
    with pytest.raises(ExtractError, match="is not a folder"):
        table_of_images(tmp_path / "notes.txt")


def test_an_address_is_listed_as_a_folder() -> None:
    memory = fsspec.filesystem("memory")
    for name in ("b.jpg", "sub/a.png", "notes.txt"):
        memory.pipe(f"/listed/{name}", b"x")
    table = table_of_images("memory://listed")
    assert table.ids == ("b.jpg", "sub/a.png") and table.source == "memory://listed"
