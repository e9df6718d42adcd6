"""Verifying reads a store in blocks, finds everything, and holds some bytes of each row."""

from __future__ import annotations

import os
import re
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from mmfeat.store import SCHEMA, FeatureStore
from mmfeat.store.inspect import inspect_store
from mmfeat.store.layout import Rows
from mmfeat.store.verify import MOST_ROWS, verify_store
from mmfeat.store.writer import write_store
from tests.support.stage_one.extraction import extract
from tests.support.stage_one.stores import IDS, N, edit_text, make_store, set_attribute
from tests.support.stage_one.toy import SETTINGS, make_table
from tests.support.workspaces import Mmfeat


def same(_text: str) -> int:
    return 0


@pytest.mark.parametrize("weak", [same, len])
@pytest.mark.parametrize(("last", "found"), [(IDS[-1], []), (IDS[0], ["ids are repeated"])])
def test_ids_that_share_a_digest_are_compared(
    tmp_path: Path, weak: Callable[[str], int], last: str, found: list[str]
) -> None:
    path = make_store(tmp_path / "a.h5", ids=(*IDS[:-1], last))
    assert verify_store(path, digest=weak) == found


def test_a_folder_with_one_file_is_whole(tmp_path: Path) -> None:
    settings = replace(SETTINGS, rows_per_file=20)
    extract(make_table(tmp_path), tmp_path, tmp_path / "a.h5", settings=settings)
    with FeatureStore.open(tmp_path / "a.h5") as store:
        assert store.n_files == 1 and store.path == tmp_path / "a"
    assert verify_store(tmp_path / "a.h5") == []


def test_a_store_without_rows_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_store(
        path,
        rows=Rows(ids=(), image_paths=(), captions=(), targets=None, labels=()),
        widths={"image": 8, "text": 8},
        dtype="float16",
        provenance={"schema": SCHEMA, "n_rows": 0, "modalities": ["image", "text"]},
        blocks=[],
    )
    assert verify_store(path) == []
    document = inspect_store(path)
    assert document["rows"] == document["rows_looked_at"] == 0
    assert document["status"] == {"image": {}, "text": {}} and document["cosine"] is None


def change(path: Path, old: bytes, new: bytes) -> None:
    """Replace bytes where a text lies, which HDF5 does not check."""
    content = path.read_bytes()
    assert content.count(old) == 1 and len(old) == len(new)
    path.write_bytes(content.replace(old, new))


@pytest.mark.parametrize(
    ("new", "finding"),
    [
        (b"caption X.jpg", "captions/bytes has changed since it was written: its sha256 differs"),
        (b"caption \xff.jpg", "can't decode byte 0xff"),
    ],
)
def test_a_damaged_text_of_a_middle_block_is_found(
    tmp_path: Path, new: bytes, finding: str
) -> None:
    path = make_store(tmp_path / "a.h5")
    change(path, b"caption 6.jpg", new)
    (found,) = verify_store(path, block_rows=5)
    assert finding in found


def test_rows_with_the_same_fault_are_told_so_many_times(tmp_path: Path) -> None:
    n = MOST_ROWS + 20
    path = make_store(tmp_path / "a.h5", ids=tuple(map(str, range(n))), failed=())
    with h5py.File(path, "r+") as file:
        file["image/embeddings"][...] = 0
    findings = verify_store(path)
    assert findings[1] == "row 0 is ok but its image embedding is zero"
    assert len(findings) == 1 + MOST_ROWS + 1
    assert findings[-1] == "of image embeddings there are 20 more such findings"


@pytest.mark.parametrize("row", [-1, N])
def test_a_problem_of_a_row_that_is_not_there_is_found(tmp_path: Path, row: int) -> None:
    path = make_store(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file["failed/row"][0] = row
    (found,) = verify_store(path)
    assert f"row {row} failed, and there are {N} rows" in found


def test_a_row_takes_some_bytes_whatever_it_holds(tmp_path: Path) -> None:
    peaks = []
    for n_rows in (100_000, 260_000):
        ids = tuple(f"a rather long name of picture {row}.jpg" for row in range(n_rows))
        path = make_store(tmp_path / f"{n_rows}.h5", ids=ids)
        tracemalloc.start()
        assert verify_store(path) == []
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 16 * 160_000


@pytest.mark.parametrize("command", ["verify", "inspect"])
@pytest.mark.parametrize("name", ["provenance", "checksums"])
@pytest.mark.parametrize("value", ["NaN", '"\\ud800"'])
def test_json_that_has_no_digest_is_refused(
    tmp_path: Path, mmfeat: Mmfeat, command: str, name: str, value: str
) -> None:
    path = make_store(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        set_attribute(file, name, f'{{"x": {value}, '.encode() + file.attrs[name][1:])
    result = mmfeat(command, path)
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert "HDF5 files as mmfeat wrote them" in result.stderr


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_a_part_that_is_no_file_is_refused(tmp_path: Path, mmfeat: Mmfeat, kind: str) -> None:
    settings = replace(SETTINGS, rows_per_file=5)
    extract(make_table(tmp_path), tmp_path, tmp_path / "a.h5", settings=settings)
    part = tmp_path / "a" / "00001.h5"
    part.unlink()
    if kind == "folder":
        part.mkdir()
    elif kind == "pipe":
        os.mkfifo(part)  # reading it would wait for ever
    for command in ("verify", "inspect"):
        result = mmfeat(command, tmp_path / "a.h5")
        assert result.exit_code == 1 and result.stderr.count("\n") == 1
        assert "00001.h5 is missing or not a file" in result.stderr


def edit(name: str, row: int, value: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[name][row] = value

    return change


def edit_provenance(file: h5py.File) -> None:
    set_attribute(file, "provenance", b'{"made": "up", ' + file.attrs["provenance"][1:])


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (edit("image/embeddings", 5, 0.0), "row 5 is ok but its image embedding is zero"),
        (edit("image/embeddings", 5, 0.5), "image/embeddings has changed since it was written"),
        (edit("text/embeddings", 6, np.nan), "row 6 has the text status 1 but .* is NaN"),
        (edit("text/embeddings", 3, 1.0), "row 3 has the text status 3 but .* not NaN"),
        (edit("image/status", 0, 9), "unknown codes"),
        (edit("image/status", 0, 2), "reasons do not match"),
        (edit_text("ids", 0, b"1.jpg"), "ids are repeated"),
        (
            edit_text("captions", 0, b"caption X.jpg"),
            "captions/bytes has changed since it was written",
        ),
        (edit("labels/targets", 0, 2), "neither 0, 1 nor 255"),
        (edit_provenance, "provenance has changed since it was written"),
    ],
)
def test_verify_finds_what_was_changed(
    tmp_path: Path, change: Callable[[h5py.File], None], finding: str
) -> None:
    path = make_store(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        change(file)
    assert any(re.search(finding, line) for line in verify_store(path)), verify_store(path)
