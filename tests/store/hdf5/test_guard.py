"""A store may come from a stranger: what it must be before anything is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from mmfeat import FeatureStore
from mmfeat.errors import StoreError
from mmfeat.store.verify import verify_store
from tests.support.stage_one.stores import N, make_store, set_attribute
from tests.support.workspaces import Mmfeat


def _external_link(file: h5py.File) -> None:
    del file["captions"]
    file["captions"] = h5py.ExternalLink("/etc/passwd", "x")


def _soft_link(file: h5py.File) -> None:
    del file["captions"]
    file["captions"] = h5py.SoftLink("/ids")


def _huge(file: h5py.File) -> None:
    del file["image/embeddings"]
    file.create_dataset("image/embeddings", (N, 1 << 40), "f2", chunks=(1, 1 << 20))


def _huge_contiguous(file: h5py.File) -> None:
    del file["image/embeddings"]
    file.create_dataset("image/embeddings", (N, 1 << 30), "f2")


def _inflating(file: h5py.File) -> None:
    del file["image/embeddings"]
    file.create_dataset("image/embeddings", data=np.zeros((N, 4096), "f2"), compression="gzip")


def _external_storage(file: h5py.File) -> None:
    del file["image/status"]
    file.create_dataset("image/status", (N,), "u1", external=[("/etc/passwd", 0, N)])


def _references(file: h5py.File) -> None:
    del file["ids"]
    file.create_dataset("ids/offsets", (N + 1,), h5py.ref_dtype)
    file.create_dataset("ids/bytes", (1,), "u1")


def _region_references(file: h5py.File) -> None:
    del file["image/status"]
    file.create_dataset("image/status", (N,), h5py.regionref_dtype)


def _virtual(file: h5py.File) -> None:
    del file["image/status"]
    layout = h5py.VirtualLayout((N,), "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (N,))
    file.create_virtual_dataset("image/status", layout)


def _variable_length(file: h5py.File) -> None:
    del file["captions/bytes"]
    file.create_dataset("captions/bytes", (N,), h5py.string_dtype("utf-8"))


def _unknown_filter(file: h5py.File) -> None:
    del file["image/status"]
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((N,))
    creation.set_filter(h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple((N,))
    h5py.h5d.create(file.id, b"image/status", h5py.h5t.STD_U8LE, space, creation)


def _linked_to_itself(file: h5py.File) -> None:
    file["image/image"] = file["image"]


def _offsets_of_less(file: h5py.File) -> None:
    file["ids/offsets"][-1] -= 1


def _offsets_of_more(file: h5py.File) -> None:
    file["ids/offsets"][0] = -1


def _other_order(file: h5py.File) -> None:
    values = file["labels/targets"][...].T.copy()
    del file["labels/targets"]
    file.create_dataset("labels/targets", data=values)


def _two_types(file: h5py.File) -> None:
    del file["failed/row"]
    file.create_dataset("failed/row", data=np.zeros(2, ">i8"))


def _no_text(file: h5py.File) -> None:
    del file["labels/names/bytes"]


def _other_rows(file: h5py.File) -> None:
    del file["text/status"]
    file.create_dataset("text/status", data=np.ones(N + 1, np.uint8))


def _other_schema(file: h5py.File) -> None:
    set_attribute(file, "provenance", json.dumps({"schema": 99}).encode())


def _no_provenance(file: h5py.File) -> None:
    del file.attrs["provenance"]


def _not_json(file: h5py.File) -> None:
    set_attribute(file, "checksums", b"nonsense")


def _stranger(file: h5py.File) -> None:
    file.create_dataset("image/more/deep", data=[1])


def _dataset_for_group(file: h5py.File) -> None:
    del file["labels"]
    file.create_dataset("labels", data=[1])


@pytest.mark.parametrize(
    "change",
    [
        _external_link,
        _soft_link,
        _huge,
        _huge_contiguous,
        _inflating,
        _external_storage,
        _references,
        _region_references,
        _virtual,
        _variable_length,
        _unknown_filter,
        _linked_to_itself,
        _offsets_of_less,
        _offsets_of_more,
        _other_order,
        _two_types,
        _no_text,
        _other_rows,
        _other_schema,
        _no_provenance,
        _not_json,
        _stranger,
        _dataset_for_group,
    ],
)
def test_a_store_by_a_stranger_is_refused(
    tmp_path: Path, change: Callable[[h5py.File], None]
) -> None:
    path = make_store(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(StoreError, match=r"a\.h5"):
        FeatureStore.open(path)
    assert verify_store(path)


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not"):
        FeatureStore.open(tmp_path / "none.h5")
    with pytest.raises(StoreError, match="is a folder"):
        FeatureStore.open(tmp_path)
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(StoreError, match=r"text\.h5"):
        FeatureStore.open(tmp_path / "text.h5")
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    with pytest.raises(StoreError, match="provenance"):
        FeatureStore.open(tmp_path / "empty.h5")


def test_a_store_of_schema_1_is_refused_in_one_line(tmp_path: Path, mmfeat: Mmfeat) -> None:
    path = tmp_path / "old.h5"
    with h5py.File(path, "w") as file:
        file["ids"] = np.array(["a", "b"], dtype=object)
        file.attrs["provenance"] = '{"schema": 1}'
        file.attrs["checksums"] = "{}"
    for command in ("inspect", "verify"):
        result = mmfeat(command, path)
        assert result.exit_code == 1 and result.stderr.count("\n") == 1
        assert "old.h5 has schema 1" in result.stderr
        assert "make it again with `mmfeat extract" in result.stderr


@pytest.mark.parametrize("middle", [8, -1, 7, 1 << 62])
def test_offsets_that_decrease_are_refused_before_bytes_are_read(
    tmp_path: Path, middle: int
) -> None:
    path = make_store(tmp_path / "a.h5", ids=("ab", "cde"), failed=())
    with h5py.File(path, "r+") as file:
        assert file["ids/offsets"][...].tolist() == [0, 3, 7]
        file["ids/offsets"][1] = middle
    with FeatureStore.open(path) as store, pytest.raises(StoreError, match="offsets"):
        _ = store.ids
    assert "offsets" in verify_store(path)[0]
