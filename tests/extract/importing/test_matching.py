"""A row of a source belongs to one row of the table; where that is in doubt, import stops."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mmfeat.errors import ExtractError
from mmfeat.extract import ExtractSummary
from mmfeat.extract.importing import store_embeddings
from mmfeat.extract.importing.arrays import read_array
from mmfeat.extract.importing.matching import match_rows
from mmfeat.store import FeatureStore
from mmfeat.tables.table import Table
from tests.support.stage_one.toy import write_table

SOURCE = Path("source.npz")


def table_of(folder: Path, *ids: str, paths: tuple[str, ...] = ()) -> Table:
    table = write_table(folder / "t.csv", [(name, "x", "") for name in ids])
    return replace(table, image_paths=paths) if paths else table


@pytest.mark.parametrize(
    ("ids", "names", "rows", "told"),
    [
        (("a", "b"), ("b", "a"), [1, 0], "id"),
        (("a.jpg", "b.jpg"), ("b", "a"), [1, 0], "id without suffix"),
        (("a", "b"), ("b.JPG", "a.png"), [1, 0], "id without suffix"),
        (("x/a.jpg", "y/b.jpg"), ("b.jpg", "a.jpg"), [1, 0], "file name in the id"),
        (("a.jpg", "b.jpg"), ("/data/b.jpg", "/data/a.jpg"), [1, 0], "file name in the id"),
        (("x/a.jpg", "y/b.jpg"), ("b", "a"), [1, 0], "file name in the id without suffix"),
        (("a.jpg", "b.jpg"), ("D:\\b.png", "D:\\a.png"), [1, 0], "file name in the id without"),
        (("2021.03", "2021.04"), ("2021.04", "2021"), [-1, 0], "id"),
        (("a", "b", "c"), ("c", "z"), [-1, -1, 0], "id"),
        (("x/1", "y/1", "z/2"), ("x/1", "y/1", "2"), [0, 1, -1], "id"),
    ],
)
def test_one_rule_matches_all_rows_and_is_told(
    tmp_path: Path, ids: tuple[str, ...], names: tuple[str, ...], rows: list[int], told: str
) -> None:
    found = match_rows(table_of(tmp_path, *ids), names, SOURCE, modality="text")
    assert found.rows.tolist() == rows
    n_found = sum(row >= 0 for row in rows)
    assert str(found).startswith(f"{n_found} of {len(ids)} rows matched by {told}")


@pytest.mark.parametrize(
    ("ids", "names", "told"),
    [
        (
            ("a/1.jpg", "b/1.jpg", "2021.03", "2021.04"),
            ("1", "2021", "9"),
            r"\(a/1.jpg\) and row 1",
        ),
        (("1.jpg", "1.png"), ("1", "2"), r"row 0 \(1.jpg\) and row 1 \(1.png\) of .*t.csv"),
        (("1", "2"), ("a/1", "b/1", "c/2"), r"row 0 \(a/1\) and row 1 \(b/1\) of source.npz"),
        (("1", "2"), ("1.jpg", "1.png", "2.jpg"), "'1' stands for"),
    ],
)
def test_a_name_that_stands_for_two_rows_is_an_error(
    tmp_path: Path, ids: tuple[str, ...], names: tuple[str, ...], told: str
) -> None:
    with pytest.raises(ExtractError, match=told):
        match_rows(table_of(tmp_path, *ids), names, SOURCE, modality="text")


def test_names_in_doubt_that_no_row_asks_for_do_no_harm(tmp_path: Path) -> None:
    found = match_rows(
        table_of(tmp_path, "1", "2"), ("1.jpg", "2.jpg", "a/9", "b/9"), SOURCE, modality="text"
    )
    assert found.rows.tolist() == [0, 1]


def test_rows_of_one_image_share_its_embedding_and_only_that(tmp_path: Path) -> None:
    table = table_of(tmp_path, "c1", "c2", "c3", paths=("a.jpg", "a.jpg", "b.jpg"))
    found = match_rows(table, ("a.jpg", "b.jpg"), SOURCE, modality="image")
    assert found.rows.tolist() == [0, 0, 1] and "image path" in str(found)
    with pytest.raises(ExtractError, match="must name the ids"):
        match_rows(table, ("a.jpg", "b.jpg"), SOURCE, modality="text")


def imported(folder: Path, table: Table, **arrays: Any) -> ExtractSummary:
    np.savez(folder / "e.npz", **arrays)
    return store_embeddings(
        table, {"text": folder / "e.npz"}, out=folder / "a.h5", encoder_name="x"
    )


@pytest.mark.parametrize(
    "ids", [np.array([2, 1]), np.array([2.0, 1.0]), np.array([b"2", b"1"]), np.array(["2", "1"])]
)
def test_ids_of_any_type_are_those_of_the_table(tmp_path: Path, ids: Any) -> None:
    values = np.array([[2.0, 0.0], [1.0, 0.0]], np.float32)
    summary = imported(tmp_path, table_of(tmp_path, "1", "2"), embeddings=values, ids=ids)
    assert "text: 2 of 2 rows matched by id" in summary.hints
    with FeatureStore.open(tmp_path / "a.h5") as store:
        assert store.embeddings("text")[:, 0].tolist() == [1, 2]


def test_repeated_ids_of_a_source_are_named(tmp_path: Path) -> None:
    values = np.ones((3, 2), np.float32)
    with pytest.raises(ExtractError, match="rows 0 and 2 are both 'a'"):
        imported(tmp_path, table_of(tmp_path, "a", "b"), embeddings=values, ids=["a", "b", "a"])
    with pytest.raises(ExtractError, match="2 ids stand beside 3 rows"):
        imported(tmp_path, table_of(tmp_path, "a", "b"), embeddings=values, ids=["a", "b"])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_row_with_an_embedding_is_an_error(tmp_path: Path, value: float) -> None:
    values = np.ones((2, 2), np.float32)
    values[:, 1] = value
    with pytest.raises(ExtractError, match=r"NaN or infinity in each of 2 rows"):
        imported(tmp_path, table_of(tmp_path, "a", "b"), embeddings=values)
    assert not (tmp_path / "a.h5").exists()
    values[0] = 0
    summary = imported(tmp_path, table_of(tmp_path, "a", "b"), embeddings=values)
    assert summary.counts == {"text": {"ok": 1, "missing": 1}}


def test_a_pipe_or_a_device_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    for name in ("a.npy", "a.npz", "a.pt", "a.parquet"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(ExtractError, match="a pipe or a device"):
            read_array(tmp_path / name, modality="text")
    (tmp_path / "zero.npy").symlink_to("/dev/zero")
    for path in (tmp_path / "zero.npy", Path("/dev/zero")):
        with pytest.raises(ExtractError, match="a pipe or a device"):
            read_array(path, modality="text")
    folder = tmp_path / "clip"
    for name in ("text_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    np.save(folder / "text_emb" / "text_emb_0.npy", np.ones((1, 2), np.float32))
    os.mkfifo(folder / "metadata" / "metadata_0.parquet")
    with pytest.raises(ExtractError, match="a pipe or a device"):
        read_array(folder, modality="text")


def test_lists_of_numbers_of_any_kind_keep_their_values(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(5, 3))
    np.save(tmp_path / "fortran.npy", np.asfortranarray(values))
    np.save(tmp_path / "big.npy", values.astype(">f4"))
    frame = pd.DataFrame({"id": range(5), "embedding": list(values)})
    frame.to_parquet(tmp_path / "rows.parquet")
    for name in ("fortran.npy", "big.npy", "rows.parquet"):
        found = read_array(tmp_path / name, modality="text")
        assert np.allclose(found.values, values, atol=1e-6)
