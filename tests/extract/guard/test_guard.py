"""No name of a table reads a file outside of the folder, whatever is swapped meanwhile."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from mmfeat.extract.guard import Refusal, is_there, read_image_file, refuse_name
from mmfeat.store import Status

SECONDS = 2.0  # of swapping; the fault was there in one of some thousand reads


def swap_for_ever(folder: Path, outside: Path) -> int:
    """Swap the subfolder `d` for a link to `outside` and back, in a process of its own."""
    child = os.fork()
    if child:
        return child
    try:
        os.chdir(folder)
        while True:
            Path("d").rename("e")
            Path("d").symlink_to(outside)
            Path("d").unlink()
            Path("e").rename("d")
    finally:
        os._exit(0)


def test_a_folder_that_is_swapped_for_a_link_is_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "images" / "d", tmp_path / "secret"
    for folder, text in ((inside, "inside"), (outside, "outside")):
        folder.mkdir(parents=True)
        (folder / "x").write_text(text)
    child = swap_for_ever(inside.parent, outside)
    try:
        found: list[bytes | Refusal] = []
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            found.append(read_image_file(inside.parent.resolve(), "d/x"))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    read = {content for content in found if isinstance(content, bytes)}
    assert read == {b"inside"} and any(isinstance(one, Refusal) for one in found)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("https://example.org/a.jpg", "URL"),
        (" HTTP://example.org/a.jpg", "URL"),
        ("s3://bucket/a.jpg", "URL"),
        ("data:image/png;base64,AAAA", "URL"),
        ("www.example.org/a.jpg", "URL"),
        ("/kaggle/input/a.jpg", "--images /"),
        ("a/../../b.jpg", "relative to --images"),
        ("a\0.jpg", "NUL"),
    ],
)
def test_a_name_that_no_image_has_is_refused_with_the_remedy(name: str, told: str) -> None:
    refusal = refuse_name(name)
    assert refusal is not None and refusal.status == Status.REFUSED and told in refusal.reason


def test_an_absolute_path_inside_the_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a")
    assert read_image_file(tmp_path, str(tmp_path / "a.jpg")) == b"a"
    assert read_image_file(Path("/"), str(tmp_path / "a.jpg")) == b"a"
    (tmp_path / "sub").mkdir()
    found = read_image_file(tmp_path / "sub", str(tmp_path / "a.jpg"))
    assert isinstance(found, Refusal) and found.status == Status.REFUSED


@pytest.mark.parametrize("name", ["a b.jpg", "a%20c.jpg", "x#1.jpg", "-rf.jpg", "😀.jpg", "*.jpg"])
def test_odd_names_are_read_as_they_stand(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"a")
    assert is_there(tmp_path, name) and is_there(tmp_path, f"./{name}")
    assert read_image_file(tmp_path, name) == b"a"


@pytest.mark.parametrize(
    ("name", "told"), [("a\\b.jpg", "backslashes"), ("a.jpg ", "'a.jpg '"), (" a.jpg", "blank")]
)
def test_what_is_odd_about_a_missing_name_is_told(tmp_path: Path, name: str, told: str) -> None:
    found = read_image_file(tmp_path, name)
    assert isinstance(found, Refusal) and found.status == Status.MISSING
    assert told in found.reason


def test_a_pipe_a_folder_and_a_device_are_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    for folder, name, told in (
        (tmp_path, "pipe.jpg", "a pipe"),
        (tmp_path, "folder.jpg", "a folder"),
        (Path("/dev"), "zero", "a device"),
    ):
        found = read_image_file(folder, name)
        assert isinstance(found, Refusal) and told in found.reason
        assert not is_there(folder, name)
