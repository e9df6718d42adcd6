"""Embeddings of any encoder become a store that stage two reads."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from mmfeat.config import DataSettings
from mmfeat.errors import ExtractError, StoreError
from mmfeat.extract.importing import store_embeddings
from mmfeat.store import FeatureStore, read_features
from mmfeat.store.verify import verify_store
from mmfeat.tables import read_table
from mmfeat.tables.table import Table
from tests.support.stage_one.toy import write_table

N, WIDTH = 9, 5


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return write_table(
        tmp_path / "t.csv", [(f"{row}.jpg", f"{row % 2}", f"caption {row}") for row in range(N)]
    )


@pytest.fixture
def values() -> NDArray[np.float16]:
    return np.random.default_rng(0).normal(size=(N, WIDTH)).astype(np.float16)


def write(folder: Path, kind: str, values: NDArray[np.float16], ids: list[str] | None) -> Path:
    path = folder / f"emb.{kind}"
    if kind == "npy":
        np.save(path, values)
    elif kind == "npz":
        named = {} if ids is None else {"ids": np.array(ids)}
        np.savez(path, allow_pickle=False, embeddings=values, **named)
    elif kind == "pt":
        torch.save(torch.from_numpy(values), path)
    elif kind == "parquet":
        frame = pd.DataFrame({"embedding": list(values)})
        if ids is not None:
            frame["id"] = ids
        frame.to_parquet(path)
    else:
        path = folder / "clip_retrieval"
        for name in ("img_emb", "text_emb", "metadata"):
            (path / name).mkdir(parents=True)
        for part, rows in enumerate((slice(0, 4), slice(4, N))):
            np.save(path / "img_emb" / f"img_emb_{part}.npy", values[rows])
            np.save(path / "text_emb" / f"text_emb_{part}.npy", values[rows])
            names = ids[rows] if ids is not None else [""]
            frame = pd.DataFrame({"image_path": [f"/data/{name}" for name in names]})
            frame.to_parquet(path / "metadata" / f"metadata_{part}.parquet")
    return path


@pytest.mark.parametrize("kind", ["npy", "npz", "pt", "parquet"])
def test_rows_without_ids_are_aligned_with_the_table(
    tmp_path: Path, table: Table, values: NDArray[np.float16], kind: str
) -> None:
    path = write(tmp_path, kind, values, None)
    out = tmp_path / "out" / "a.h5"
    summary = store_embeddings(table, {"text": path}, out=out, encoder_name="mini")
    assert summary.counts == {"text": {"ok": N}} and verify_store(out) == []
    features = read_features([out])
    assert list(features.embeddings) == ["text"]
    assert np.array_equal(features.embeddings["text"][0], values)
    assert features.labels == ("0", "1")
    with FeatureStore.open(out) as store:
        assert store.provenance["encoder"]["name"] == "mini" and store.dtype == "float16"


@pytest.mark.parametrize("kind", ["npz", "parquet", "clip-retrieval"])
def test_rows_with_ids_are_joined(
    tmp_path: Path, table: Table, values: NDArray[np.float16], kind: str
) -> None:
    order = np.random.default_rng(1).permutation(N)
    ids = [table.ids[i] for i in order]
    path = write(tmp_path, kind, values[order], ids)
    store_embeddings(table, {"image": path, "text": path}, out=tmp_path / "a.h5", encoder_name="x")
    features = read_features([tmp_path / "a.h5"])
    for modality in ("image", "text"):
        assert np.array_equal(features.embeddings[modality][0], values)


def test_rows_that_the_source_lacks_are_missing(
    tmp_path: Path, table: Table, values: NDArray[np.float16]
) -> None:
    values[2, 3] = np.inf
    path = write(tmp_path, "npz", values[:7], list(table.ids[:7]))
    summary = store_embeddings(table, {"image": path}, out=tmp_path / "a.h5", encoder_name="x")
    assert summary.counts == {"image": {"ok": 6, "missing": 3}}
    assert [p.row for p in summary.failed] == [2, 7, 8]
    assert verify_store(tmp_path / "a.h5") == []


def test_other_counts_ids_or_kinds_are_refused(
    tmp_path: Path, table: Table, values: NDArray[np.float16]
) -> None:
    def refused(path: Path, message: str) -> None:
        with pytest.raises(ExtractError, match=message):
            store_embeddings(table, {"image": path}, out=tmp_path / "a.h5", encoder_name="x")
        assert not (tmp_path / "a.h5").exists()

    refused(write(tmp_path, "npy", values[:-1], None), f"has {N - 1}, .* has {N}")
    refused(write(tmp_path, "npz", values, [f"other{i}" for i in range(N)]), "names e.g. 'other0'")
    refused(write(tmp_path, "npz", values, ["0.jpg"] * N), "1 different ids")
    refused(write(tmp_path, "npy", values[0], None), "shape")
    np.save(tmp_path / "ints.npy", np.zeros((N, 2), int))
    refused(tmp_path / "ints.npy", "int64")
    refused(tmp_path / "none.npy", "is not there")
    (tmp_path / "a.txt").touch()
    refused(tmp_path / "a.txt", "is neither")
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04nonsense")
    refused(tmp_path / "bad.npz", "bad.npz")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", "img_emb")
    np.savez(tmp_path / "two.npz", one=values, two=values)
    refused(tmp_path / "two.npz", "clearly")
    with pytest.raises(ExtractError, match="clip-retrieval writes image and text, no audio"):
        folder = {"audio": tmp_path / "folder"}
        store_embeddings(table, folder, out=tmp_path / "a.h5", encoder_name="x")
    with pytest.raises(StoreError, match="the name of a modality"):
        labels = {"labels": tmp_path / "a.npy"}
        store_embeddings(table, labels, out=tmp_path / "a.h5", encoder_name="x")
    with pytest.raises(ExtractError, match="--modality"):
        store_embeddings(table, {}, out=tmp_path / "a.h5", encoder_name="x")


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("harm-was-done",)


def test_nothing_pickled_is_run(
    tmp_path: Path, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "a.npy", np.array([Harmful()], dtype=object))
    np.savez(tmp_path / "a.npz", embeddings=np.array([Harmful()], dtype=object))
    torch.save({"embeddings": Harmful()}, tmp_path / "a.pt")
    for name in ("a.npy", "a.npz", "a.pt"):
        with pytest.raises(ExtractError, match=name):
            store_embeddings(
                table, {"image": tmp_path / name}, out=tmp_path / "o.h5", encoder_name="x"
            )
    assert not (tmp_path / "harm-was-done").exists()


def test_the_same_import_again_is_complete_and_another_is_refused(
    tmp_path: Path, table: Table, values: NDArray[np.float16]
) -> None:
    path = write(tmp_path, "npy", values, None)
    out = tmp_path / "a.h5"
    store_embeddings(table, {"image": path}, out=out, encoder_name="x")
    (tmp_path / ".a.h5.4711.tmp").touch()  # left by one that was killed
    again = store_embeddings(table, {"image": path}, out=out, encoder_name="x")
    assert not list(tmp_path.glob(".*"))
    assert again.already_complete
    np.save(path, values + 1)
    with pytest.raises(StoreError, match="sources_sha256"):
        store_embeddings(table, {"image": path}, out=out, encoder_name="x")


def test_another_way_to_read_the_table_is_taken_over(
    tmp_path: Path, values: NDArray[np.float16]
) -> None:
    path = write(tmp_path, "npy", values, None)
    rows = ["ImageID,Labels,tags", *(f"{row}.jpg,a,{row % 2}|x" for row in range(N))]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    out = tmp_path / "a.h5"
    for data, labels in (
        (DataSettings(), ("a",)),
        (DataSettings(label_col="tags", label_sep="|"), ("0", "1", "x")),
    ):
        table = read_table(tmp_path / "t.csv", data=data)
        for complete in (False, True):
            summary = store_embeddings(table, {"text": path}, out=out, encoder_name="x")
            assert summary.already_complete == complete
        with FeatureStore.open(out) as store:
            assert store.labels == labels
            np.testing.assert_array_equal(store.embeddings("text"), values)
