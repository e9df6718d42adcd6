"""The index of a store of many files is not trusted."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest

from mmfeat.errors import StoreError
from mmfeat.store import FeatureStore
from mmfeat.store.layout import store_digest
from mmfeat.store.parts import INDEX
from mmfeat.store.verify import verify_store
from mmfeat.tables.table import Table
from tests.support.stage_one.extraction import extract
from tests.support.stage_one.stores import seal
from tests.support.stage_one.toy import SETTINGS, make_table

Change = Callable[[Path, dict[str, Any]], None]


def set_entry(number: int, name: str, value: object) -> Change:
    def change(folder: Path, index: dict[str, Any]) -> None:
        index["files"][number][name] = value

    return change


def set_field(name: str, value: object) -> Change:
    def change(folder: Path, index: dict[str, Any]) -> None:
        index[name] = value

    return change


def _missing(folder: Path, index: dict[str, Any]) -> None:
    (folder / "00001.h5").unlink()


def _swapped(folder: Path, index: dict[str, Any]) -> None:
    (folder / "00000.h5").rename(folder / "x")
    (folder / "00001.h5").rename(folder / "00000.h5")
    (folder / "x").rename(folder / "00001.h5")
    for name in ("rows", "digest"):
        values = [entry[name] for entry in index["files"]]
        for entry, value in zip(index["files"], [values[1], values[0], values[2]], strict=True):
            entry[name] = value
    _sign(folder, index)


def _left_out(folder: Path, index: dict[str, Any]) -> None:
    del index["files"][2]
    _sign(folder, index)


def _sign(folder: Path, index: dict[str, Any]) -> None:
    with FeatureStore.open(folder / "00000.h5") as store:
        provenance = store.provenance
    provenance["n_rows"] = provenance.pop("part")["n_rows"]
    digests = {entry["name"]: entry["digest"] for entry in index["files"]}
    index["digest"] = store_digest(provenance, digests)


def _link(folder: Path, index: dict[str, Any]) -> None:
    (folder / "00001.h5").rename(folder.parent / "elsewhere.h5")
    (folder / "00001.h5").symlink_to(folder.parent / "elsewhere.h5")


def _no_store(folder: Path, index: dict[str, Any]) -> None:
    (folder / "00001.h5").write_bytes(b"nothing")


def _other_file(folder: Path, index: dict[str, Any]) -> None:
    shutil.copy(folder.parent / "a.h5", folder / "00001.h5")


def _other_labels(folder: Path, index: dict[str, Any]) -> None:
    with h5py.File(folder / "00001.h5", "r+") as file:
        file["labels/names/bytes"][0] += 1
        seal(file)
    with FeatureStore.open(folder / "00001.h5") as store:
        index["files"][1]["digest"] = store.digest


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (set_entry(1, "name", "../a.h5"), r"must be 00001\.h5, it is '\.\./a\.h5'"),
        (set_entry(1, "name", "/etc/passwd"), "must be 00001"),
        (set_entry(1, "name", 1), "must be 00001"),
        (set_entry(1, "rows", 8), "not of the rows from 0 on, of 21"),
        (set_entry(2, "digest", "0" * 64), r"rows or the digest of 00002"),
        (set_entry(2, "rows", 10**30), "not of the rows from 0"),
        (set_entry(0, "rows", "many"), "unsupported operand"),
        (set_field("digest", "0" * 64), "digest is not that of its files"),
        (set_field("files", []), "names no files"),
        (set_field("files", {"a": 1}), "string indices"),
        (set_field("files", 3), "not iterable"),
        (set_field("schema", 99), "schema 99"),
        (_missing, "00001"),
        (_swapped, "not of the rows from 0"),
        (_left_out, r"not of the rows from 0 on, of 14"),
        (_link, "link out of the folder"),
        (_no_store, "00001"),
        (_other_file, "rows or the digest of 00001"),
        (_other_labels, "other columns or provenance"),
    ],
)
def test_an_index_that_lies_is_refused(
    tmp_path: Path, table: Table, change: Change, found: str
) -> None:
    index = json.loads((tmp_path / "b" / INDEX).read_text())
    change(tmp_path / "b", index)
    (tmp_path / "b" / INDEX).write_text(json.dumps(index))
    with pytest.raises(StoreError, match=found):
        FeatureStore.open(tmp_path / "b.h5")
    assert verify_store(tmp_path / "b.h5")


@pytest.mark.parametrize("text", ["", "[]", "nonsense", "{}", "[" * 10**5, '{"files": null}'])
def test_an_index_that_is_none_is_refused(tmp_path: Path, table: Table, text: str) -> None:
    (tmp_path / "b" / INDEX).write_text(text)
    with pytest.raises(StoreError, match=r"index\.json"):
        FeatureStore.open(tmp_path / "b.h5")


def test_more_files_than_may_be_open_are_told(tmp_path: Path) -> None:
    table = make_table(tmp_path, n_rows=40)
    out = tmp_path / "b.h5"
    extract(table, tmp_path, out, settings=replace(SETTINGS, rows_per_file=1))
    n_open = len(list(Path("/proc/self/fd").iterdir()))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (n_open + 20, hard))
    try:
        with pytest.raises(StoreError, match="raise `ulimit -n`"):
            FeatureStore.open(out)
        assert len(list(Path("/proc/self/fd").iterdir())) == n_open
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert verify_store(out) == []
