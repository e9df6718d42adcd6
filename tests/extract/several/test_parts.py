"""Rows of several images and captions: parts are encoded once each, and pooled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmfeat.config import DataSettings
from mmfeat.errors import MmfeatError, StoreError
from mmfeat.export.rows import RowEncoder
from mmfeat.extract.engines.reencode import reencode
from mmfeat.store import FeatureStore
from mmfeat.store.cost import read_cost
from mmfeat.store.verify import verify_store
from mmfeat.tables import read_table
from mmfeat.tables.parts import join_parts, read_parts, split_parts
from mmfeat.tables.table import Table
from tests.support.stage_one.extraction import InterruptedEncoder, extract
from tests.support.stage_one.toy import SETTINGS, ToyEncoder, ToyPairs, make_picture

ONE = replace(SETTINGS, batch_size=1, shard_rows=2)  # so that a batch leaves no trace
ROWS = [
    ("a", ["0.jpg"], ["a red bus"]),
    ("b", ["0.jpg", "1.jpg", "2.jpg"], ["two cats", "a red bus"]),
    ("c", [], []),
    ("d", ["2.jpg", "gone.jpg"], ["a dog"]),
    ("e", ["gone.jpg", "lost.jpg"], ["a cat", "two cats", ""]),
    ("f", ["3.jpg", "4.jpg"], ["a cow"]),
]


def make_rows(folder: Path, rows: list[tuple[str, list[str], list[str]]] = ROWS) -> Table:
    for seed in range(5):
        if not (folder / "images" / f"{seed}.jpg").exists():
            make_picture(folder / "images" / f"{seed}.jpg", seed=seed)
    lines = [
        json.dumps({"id": id_, "img": images, "Caption": texts, "Labels": [str(at % 2)]})
        for at, (id_, images, texts) in enumerate(rows)
    ]
    (folder / "t.jsonl").write_text("\n".join(lines))
    return read_table(folder / "t.jsonl", data=DataSettings(id_col="id", image_col="img"))


def unit_mean(*vectors: np.ndarray) -> np.ndarray:
    unit = np.array(vectors, np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    mean: np.ndarray = unit.mean(axis=0).astype(np.float16)
    return mean


def test_parts_are_encoded_once_and_pooled_and_those_that_fail_are_named(tmp_path: Path) -> None:
    table, encoder = make_rows(tmp_path), ToyEncoder()
    assert table.groups is not None and len({table.groups[row] for row in (0, 1, 3, 4)}) == 1
    summary = extract(table, tmp_path, tmp_path / "a.h5", encoder=encoder, settings=ONE)
    assert (encoder.n_images, encoder.n_captions) == (5, 5)
    assert summary.counts == {"image": {"ok": 4, "missing": 2}, "text": {"ok": 5, "empty": 1}}
    parts = [(p.row, p.id, p.part) for p in summary.failed_parts]
    assert parts == [(3, "d", "gone.jpg"), (4, "e", "gone.jpg"), (4, "e", "lost.jpg")]
    assert "  3 parts of 2 rows failed; the others count:" in str(summary).splitlines()
    assert verify_store(tmp_path / "a.h5") == []
    singles = [(str(seed), [f"{seed}.jpg"], ["two cats"]) for seed in range(5)]
    extract(make_rows(tmp_path, singles), tmp_path, tmp_path / "one.h5", settings=ONE)
    with FeatureStore.open(tmp_path / "a.h5") as s, FeatureStore.open(tmp_path / "one.h5") as one:
        found, alone = s.embeddings("image"), one.embeddings("image")
        assert (found[0] == alone[0]).all()
        assert (found[1] == unit_mean(*alone[:3])).all()
        assert (found[3] == unit_mean(alone[2])).all()
        assert np.isnan(found[[2, 4]]).all()
        assert (
            s.embeddings("text")[1] == unit_mean(one.embeddings("text")[0], s.embeddings("text")[0])
        ).all()
        assert s.provenance["table"]["pool"] == "mean"
    images = tmp_path / "images"
    again = reencode(tmp_path / "a.h5", n_rows=6, images=images, load=lambda _: ToyEncoder())
    assert all(found.is_same for found in again.values()) and again["text"].n_compared == 5
    rows = RowEncoder(
        encoder=ToyEncoder(),
        modalities=("image", "text"),
        dtype="float16",
        max_pixels=10**6,
        fast=False,
    ).encode([[images / f"{i}.jpg" for i in range(3)], None], [["two cats", "a red bus"], "a cow"])
    assert rows["image"][0].shape == (2, 6) and np.isnan(rows["image"][0][1]).all()
    assert np.abs(rows["image"][0][0].astype(float) - found[1]).max() < 1e-3


def test_an_interrupted_extraction_and_an_update_give_the_bytes_of_a_fresh_one(
    tmp_path: Path,
) -> None:
    table = make_rows(tmp_path)
    extract(table, tmp_path, tmp_path / "fresh.h5", settings=ONE)
    with pytest.raises(KeyboardInterrupt):
        extract(table, tmp_path, tmp_path / "a.h5", settings=ONE, encoder=InterruptedEncoder(3))
    encoder = ToyEncoder()
    extract(table, tmp_path, tmp_path / "a.h5", settings=ONE, encoder=encoder)
    assert encoder.n_images == 2  # the others were in finished shards
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "fresh.h5").read_bytes()
    assert extract(table, tmp_path, tmp_path / "a.h5", settings=ONE).already_complete

    make_picture(tmp_path / "images" / "gone.jpg", seed=9)  # of d and e
    make_picture(tmp_path / "images" / "4.jpg", seed=8)  # of f
    changed = make_rows(tmp_path, [*ROWS[:5], ("f", ["4.jpg", "3.jpg"], ["a cow"])])
    encoder = ToyEncoder()
    summary = extract(changed, tmp_path, tmp_path / "a.h5", settings=ONE, encoder=encoder)
    assert (encoder.n_images, encoder.n_captions) == (4, 0)  # 2 and gone of d and e, 3 and 4
    assert [part.part for part in summary.failed_parts] == ["lost.jpg"]
    (tmp_path / "fresh.h5").unlink()
    extract(changed, tmp_path, tmp_path / "fresh.h5", settings=ONE)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "fresh.h5").read_bytes()

    largest = replace(changed, format=replace(changed.format, pool="max"))
    with pytest.raises(StoreError, match="pool is 'mean' there and 'max' now"):
        extract(largest, tmp_path, tmp_path / "a.h5", settings=ONE)
    extract(largest, tmp_path, tmp_path / "max.h5", settings=ONE)
    with FeatureStore.open(tmp_path / "a.h5") as a, FeatureStore.open(tmp_path / "max.h5") as b:
        same = (a.embeddings("image") == b.embeddings("image")).all(axis=1)
        assert same.tolist() == [True, False, False, False, True, False]  # c is NaN, e one part
        assert (b.embeddings("image")[1] >= a.embeddings("image")[1]).all()


@pytest.mark.parametrize(
    ("cell", "pool", "message"),
    [
        (["a.jpg", ["b.jpg"]], "mean", "row 0 of .*'img'; write a flat list"),
        (["a.jpg", "b\0"], "mean", "row 0 of .* has a NUL"),
        (["a.jpg", "b.jpg"], "sum", "--pool is one of mean, max"),
    ],
)
def test_cells_that_are_no_parts_are_refused(
    tmp_path: Path, cell: list[object], pool: str, message: str
) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps({"id": "a", "img": cell}))
    with pytest.raises(MmfeatError, match=message):
        read_table(tmp_path / "t.jsonl", data=DataSettings(id_col="id", image_col="img", pool=pool))


def test_cells_are_read_in_the_way_that_a_table_was() -> None:
    path = Path("t.csv")
    for cells, separator, found, texts in (
        (["a|b", "c", " | ", "[x"], "|", "|", ['["a", "b"]', "c", "", '["[x"]']),
        (['["a", "b"]', "", '["c"]'], None, "json", ['["a", "b"]', "", "c"]),
        (['["a"]', "plain"], None, None, ['["a"]', "plain"]),
        ([["a", None, 3.0], None], None, "json", ['["a", "3"]', ""]),
    ):
        assert read_parts(cells, separator, column="c", path=path) == (texts, found)
        if found is not None:
            assert [join_parts(split_parts(text)) for text in texts] == texts


def test_a_joint_vector_is_the_mean_of_all_pairs_of_a_row(tmp_path: Path) -> None:
    table, out = make_rows(tmp_path), tmp_path / "a.h5"
    with pytest.raises(KeyboardInterrupt):
        extract(table, tmp_path, out, settings=ONE, encoder=ToyPairs(most=4))
    summary = extract(table, tmp_path, out, settings=ONE, encoder=ToyPairs())
    assert summary.counts == {"joint": {"ok": 4, "missing": 2}}
    parts = [(part.row, part.part) for part in summary.failed_parts]
    assert parts == [(3, "gone.jpg"), (4, "gone.jpg"), (4, "lost.jpg")]
    singles = [
        (f"{seed} {text}", [f"{seed}.jpg"], [text])
        for seed in range(3)
        for text in ("two cats", "a red bus")
    ]
    extract(make_rows(tmp_path, singles), tmp_path, tmp_path / "one.h5", encoder=ToyPairs())
    with FeatureStore.open(out) as store, FeatureStore.open(tmp_path / "one.h5") as one:
        stored, alone = store.embeddings("joint"), one.embeddings("joint")
    assert (stored[0] == alone[1]).all() and (stored[1] == unit_mean(*alone)).all()
    assert np.isnan(stored[[2, 4]]).all()
    again = reencode(out, n_rows=6, images=tmp_path / "images", load=lambda _: ToyPairs())
    assert again["joint"].is_same and again["joint"].n_compared == 4
    rows = RowEncoder(
        encoder=ToyPairs(), modalities=("joint",), dtype="float16", max_pixels=10**6, fast=False
    ).encode(
        [[tmp_path / "images" / f"{i}.jpg" for i in range(3)], None],
        [["two cats", "a red bus"], ["a cow", "a dog"]],
    )
    assert (rows["joint"][0][0] == stored[1]).all() and np.isnan(rows["joint"][0][1]).all()

    make_picture(tmp_path / "images" / "gone.jpg", seed=9)  # of d and e
    (tmp_path / "images" / "3.jpg").rename(tmp_path / "images" / "new.jpg")
    changed = [*ROWS[:5], ("f", ["new.jpg", "4.jpg"], ["a cow"])]
    encoder = ToyPairs()
    extract(make_rows(tmp_path, changed), tmp_path, out, settings=ONE, encoder=encoder)
    assert sum(shape[0] for shape in encoder.shapes) == 2 + 2  # 2 and gone of d, gone of e
    assert verify_store(out) == []
    with FeatureStore.open(out) as store:
        assert read_cost(out, store.provenance) is None
    table = make_rows(tmp_path, changed)
    extract(table, tmp_path, tmp_path / "fresh.h5", settings=ONE, encoder=ToyPairs())
    assert (tmp_path / "fresh.h5").read_bytes() == out.read_bytes()
    with FeatureStore.open(tmp_path / "fresh.h5") as store:
        cost = read_cost(tmp_path / "fresh.h5", store.provenance)
    assert cost is not None and cost.rows == 6 and cost.seconds > 0
