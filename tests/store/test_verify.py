"""Verifying reads a store in blocks, finds everything, and holds some bytes of each row."""

from __future__ import annotations

import os
import tracemalloc
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfeat.errors import StoreError
from mmfeat.store import FeatureStore, verify
from mmfeat.store.heaps import has_endless_heap
from mmfeat.store.inspect import inspect_store
from mmfeat.store.texts import REFERENCE
from mmfeat.store.unique import digests_of, has_repeats
from mmfeat.store.verify import MOST_ROWS, verify_store
from mmfeat.store.write import Rows, write_store
from tests.extract.test_extract import extract
from tests.store.test_store import IDS, N, make_store
from tests.support.toy import SETTINGS, make_table
from tests.support.workspaces import Mmfeat


def same(_text: str) -> int:
    return 0


@pytest.mark.parametrize("digest", [hash, len, same])
@given(
    blocks=st.lists(st.lists(st.text("abc", max_size=3), max_size=4), max_size=5),
    at_once=st.integers(1, 3),
)
def test_repeats_are_found_whatever_the_digest(
    digest: Callable[[str], int], blocks: list[list[str]], at_once: int
) -> None:
    texts = [text for block in blocks for text in block]
    digests = digests_of(texts, digest=digest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmfeat.store.unique.AT_ONCE", at_once)
        found = has_repeats(digests, lambda: blocks, digest=digest)
    assert found == (len(set(texts)) < len(texts))


def test_texts_are_read_again_only_where_digests_are_equal() -> None:
    readings = 0

    def read() -> list[list[str]]:
        nonlocal readings
        readings += 1
        return [["a", "b"], ["c"]]

    assert not has_repeats(np.array([3, 1, 2]), read) and readings == 0
    assert not has_repeats(np.array([3, 1, 3]), read, digest=same) and readings == 1


@pytest.mark.parametrize("weak", [same, len])
@pytest.mark.parametrize(("last", "found"), [(IDS[-1], []), (IDS[0], ["ids are repeated"])])
def test_ids_that_share_a_digest_are_compared(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    weak: Callable[[str], int],
    last: str,
    found: list[str],
) -> None:
    for function in (digests_of, has_repeats):
        monkeypatch.setattr(verify, function.__name__, partial(function, digest=weak))
    monkeypatch.setattr("mmfeat.store.texts.BLOCK_ROWS", 5)
    path = make_store(tmp_path / "a.h5", ids=(*IDS[:-1], last))
    assert verify_store(path) == found


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
        provenance={"schema": 1, "n_rows": 0, "modalities": ["image", "text"]},
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
        (b"caption X.jpg", "captions is not what was written: its sha256 differs"),
        (b"caption \xff.jpg", "can't decode byte 0xff"),
    ],
)
def test_a_damaged_text_of_a_middle_block_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new: bytes, finding: str
) -> None:
    path = make_store(tmp_path / "a.h5")
    change(path, b"caption 6.jpg", new)
    monkeypatch.setattr("mmfeat.store.texts.BLOCK_ROWS", 5)
    monkeypatch.setattr("mmfeat.store.verify.BLOCK_ROWS", 5)
    (found,) = verify_store(path)
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
        problems = file["problems"][...]
        problems["row"][0] = row
        file["problems"][...] = problems
    assert f"a problem is of row {row}, the store has {N} rows" in verify_store(path)


def test_a_row_takes_some_bytes_whatever_it_holds(tmp_path: Path) -> None:
    peaks = []
    for n_rows in (20_000, 60_000):
        ids = tuple(f"a rather long name of picture {row}.jpg" for row in range(n_rows))
        path = make_store(tmp_path / f"{n_rows}.h5", ids=ids)
        tracemalloc.start()
        assert verify_store(path) == []
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 16 * 40_000


def test_blocks_of_texts_are_cut_by_bytes_and_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captions = ("", "x" * 50, "", "y" * 30, "z" * 30, "é" * 10, *"abcdef")
    path = make_store(tmp_path / "a.h5", captions=captions)
    monkeypatch.setattr("mmfeat.store.texts.BLOCK_ROWS", 8)
    monkeypatch.setattr("mmfeat.store.texts.BLOCK_BYTES", 60)
    with FeatureStore.open(path) as store:
        assert [len(block) for block in store.text_blocks("captions")] == [3, 2, 3, 4]
        assert store.captions == captions
        problems = store.problems
        assert [len(block) for block in store.problem_blocks()] == [2]
    monkeypatch.setattr("mmfeat.store.texts.BLOCK_BYTES", 1)
    with FeatureStore.open(path) as store:
        assert store.captions == captions and store.problems == problems
        assert [len(block) for block in store.problem_blocks()] == [1, 1]
    assert verify_store(path) == []


@pytest.mark.parametrize(
    ("name", "at", "size"), [("captions", 0, REFERENCE), ("problems", 41, 41 + REFERENCE)]
)
def test_rows_that_point_to_one_large_text_are_refused_before_they_are_read(
    tmp_path: Path, name: str, at: int, size: int
) -> None:
    path = make_store(tmp_path / "a.h5", failed=(3, 4, 5))
    with h5py.File(path, "r+") as file:
        first = file[name][0]
        if name == "problems":
            first["reason"] = "x" * 10_000
        file[name][0] = first if name == "problems" else "x" * 10_000
        start, n_rows = file[name].id.get_offset() + at, len(file[name])
    content = bytearray(path.read_bytes())
    for there in range(start + size, start + n_rows * size, size):
        content[there : there + REFERENCE] = content[start : start + REFERENCE]
    path.write_bytes(content)
    with FeatureStore.open(path) as store:
        tracemalloc.start()
        with pytest.raises(StoreError, match=f"the texts of {name} are larger than the file"):
            list(store.text_blocks(name) if name == "captions" else store.problem_blocks())
        assert tracemalloc.get_traced_memory()[1] < 50_000
        tracemalloc.stop()
    assert any("larger than the file" in line for line in verify_store(path))


@pytest.mark.parametrize("command", ["verify", "inspect"])
@pytest.mark.parametrize("name", ["provenance", "checksums"])
@pytest.mark.parametrize("value", ["NaN", '"\\ud800"'])
def test_json_that_has_no_digest_is_refused(
    tmp_path: Path, mmfeat: Mmfeat, command: str, name: str, value: str
) -> None:
    path = make_store(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file.attrs[name] = f'{{"x": {value}, {file.attrs[name][1:]}'
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
        assert "00001.h5 is not there, or no file" in result.stderr


def test_inspect_says_nothing_of_norms_that_are_none(tmp_path: Path) -> None:
    path = make_store(tmp_path / "a.h5", dtype="float32")
    with h5py.File(path, "r+") as file:
        file["image/embeddings"][0] = 0
        file["image/embeddings"][1] = 1e30
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert inspect_store(path)["cosine"]["max"] <= 1.001


@pytest.mark.parametrize("cut", [0, 5])
def test_zeros_in_place_of_a_text_are_found_before_hdf5_reads_them_for_ever(
    tmp_path: Path, mmfeat: Mmfeat, cut: int
) -> None:
    settings = replace(SETTINGS, rows_per_file=cut)
    extract(make_table(tmp_path), tmp_path, tmp_path / "a.h5", settings=settings)
    path = tmp_path / "a" / "00001.h5" if cut else tmp_path / "a.h5"
    assert not has_endless_heap(path)
    content = path.read_bytes()
    heap = content.index(b"GCOL")
    path.write_bytes(content[: heap + 16] + bytes(4080) + content[heap + 4096 :])
    assert has_endless_heap(path)
    result = mmfeat("verify", tmp_path / "a.h5")
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert f"{path}: there are zeros where a text should be" in result.stderr


def test_a_heap_at_the_border_of_two_chunks_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    for chunk in range(8, 60):
        monkeypatch.setattr("mmfeat.store.heaps.CHUNK", chunk)
        path.write_bytes(b"x" * 40 + b"GCOL\1\0\0\0" + (32).to_bytes(8, "little") + bytes(16))
        assert has_endless_heap(path)
        path.write_bytes(b"x" * 40 + b"GCOL\1\0\0\0" + (32).to_bytes(8, "little"))
        assert not has_endless_heap(path)
