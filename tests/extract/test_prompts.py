"""Prompts of labels: read from a file, embedded into a store, compared with rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from mmfeat.errors import ConfigError, ExtractError, FitError, TableError
from mmfeat.extract import extract_table
from mmfeat.extract.importing import store_embeddings
from mmfeat.fit.fusion import prompted_fusions
from mmfeat.fit.fusion.fuse import fuse
from mmfeat.fit.models.head_model import HeadModel
from mmfeat.runs.folds import Folds
from mmfeat.store import FeatureStore, read_features
from mmfeat.store.inspect import inspect_store
from mmfeat.store.prompts import Prompts
from mmfeat.store.verify import verify_store
from mmfeat.tables import read_prompts
from mmfeat.tables.table import Table
from mmfeat.types import Features
from tests.support.stage_one.toy import SETTINGS, ToyEncoder, make_picture, make_table

LABELS = ("0", "1", "2", "3", "4")


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    lines = [f"{label},picture of {label}" for label in (*reversed(LABELS), "9")]
    return write(tmp_path / "p.csv", "\n".join(["label,prompt", *lines, "0,another of 0"]))


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return make_table(tmp_path)


def extract(
    table: Table, folder: Path, prompts: Path | None, *, retry: bool = False
) -> tuple[Path, ToyEncoder]:
    encoder, out = ToyEncoder(), folder / "a.h5"
    settings = replace(SETTINGS, label_prompts=None if prompts is None else str(prompts))
    extract_table(
        table,
        images=folder / "images",
        encoder=encoder,
        out=out,
        settings=settings,
        retry_failed=retry,
    )
    return out, encoder


def test_a_table_of_prompts_is_read_in_the_order_of_the_labels(listed: Path) -> None:
    pairs = read_prompts(listed, labels=LABELS)
    assert [label for label, _ in pairs] == ["0", "0", "1", "2", "3", "4"]
    assert pairs[:2] == (("0", "picture of 0"), ("0", "another of 0"))


def test_templates_are_filled_in(tmp_path: Path) -> None:
    path = write(tmp_path / "t.txt", "a photo of a {}\n\nthe {} and a {}\na photo of a {}\n")
    assert read_prompts(path, labels=("cat",)) == (
        ("cat", "a photo of a cat"),
        ("cat", "the cat and a cat"),
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.csv", "label,prompt\n0,zero\n1, \n", "none for 4 of 5, e.g. 1, 2, 3"),
        ("p.csv", "name,prompt\n0,zero\n", "columns 'label' and 'prompt'"),
        ("p.csv", "", "no columns"),
        ("p.jsonl", '{"label": "0"}', "columns 'label' and 'prompt'"),
        ("t.txt", "a photo\n", "'a photo'"),
        ("t.txt", "\n", "has none"),
        ("t.txt", "a {}\0\n", "NUL"),
        ("t.json", "{}", "is not"),
    ],
)
def test_broken_prompts_are_told(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read_prompts(write(tmp_path / name, text), labels=LABELS)
    with pytest.raises(TableError, match="not there"):
        read_prompts(tmp_path / "missing.csv", labels=LABELS)


def test_prompts_are_embedded_once_and_kept(tmp_path: Path, table: Table, listed: Path) -> None:
    out, encoder = extract(table, tmp_path, listed)
    at_once = out.read_bytes()
    assert verify_store(out) == []
    assert inspect_store(out)["prompts"] == 6
    with FeatureStore.open(out) as store:
        prompts, provenance = store.prompts, store.provenance["prompts"]
        assert provenance["count"] == 6
        assert prompts is not None
        expected = encoder.encode_tokens(encoder.tokenize(prompts.texts[:4]).tokens)
        np.testing.assert_array_equal(prompts.embeddings[:4], expected.astype(np.float16))
    _, again = extract(table, tmp_path, listed)
    assert again.n_captions == again.n_images == 0
    extract(table, tmp_path, None)  # they stay where none are asked for
    assert out.read_bytes() == at_once
    out.unlink()
    extract(table, tmp_path, None)
    _, late = extract(table, tmp_path, listed)  # they are added to a store that has none
    assert late.n_images == 0
    assert out.read_bytes() == at_once


def test_other_prompts_replace_those_of_a_store(tmp_path: Path, table: Table, listed: Path) -> None:
    other = write(tmp_path / "t.txt", "a photo of a {}")
    out, _ = extract(table, tmp_path, other)
    at_once = out.read_bytes()
    out.unlink()
    extract(table, tmp_path, listed)
    _, again = extract(table, tmp_path, other)
    assert again.n_images == 0
    assert out.read_bytes() == at_once


def test_trying_images_again_keeps_the_prompts(tmp_path: Path, table: Table, listed: Path) -> None:
    picture = tmp_path / "images" / "3.jpg"
    picture.write_bytes(b"")
    out, _ = extract(table, tmp_path, listed)
    make_picture(picture, seed=3)
    extract(table, tmp_path, listed, retry=True)
    with FeatureStore.open(out) as store:
        assert store.prompts is not None
    assert verify_store(out) == []


def test_a_table_without_labels_has_no_prompts(tmp_path: Path, table: Table, listed: Path) -> None:
    out, _ = extract(replace(table, targets=None, labels=()), tmp_path, listed)
    assert read_features([out]).prompts == ()


def test_prompts_are_imported(tmp_path: Path, table: Table) -> None:
    rng = np.random.default_rng(0)
    rows, prompts = rng.normal(size=(12, 6)), rng.normal(size=(5, 6))
    np.save(tmp_path / "rows.npy", rows)
    np.save(tmp_path / "prompts.npy", prompts)
    order = [3, 1, 0, 2, 4]
    named = {"embeddings": prompts[order], "ids": np.array(table.labels)[order]}
    np.savez(tmp_path / "prompts.npz", allow_pickle=False, **named)
    found = []
    for name in ("prompts.npy", "prompts.npz"):
        out = tmp_path / f"{name}.h5"
        store_embeddings(
            table,
            {"image": tmp_path / "rows.npy"},
            out=out,
            encoder_name="x",
            prompts=tmp_path / name,
        )
        assert verify_store(out) == []
        found.append(read_features([out]).prompts[0])
    np.testing.assert_array_equal(found[0], found[1])
    unit = prompts / np.linalg.norm(prompts, axis=1, keepdims=True)
    np.testing.assert_allclose(found[0], unit, atol=1e-3)


@pytest.mark.parametrize(
    ("prompts", "message"),
    [(np.ones((4, 6)), "has 4, .* 5 labels"), (np.full((5, 6), np.nan), "finite")],
)
def test_imported_prompts_must_fit(
    tmp_path: Path, table: Table, prompts: np.ndarray, message: str
) -> None:
    np.save(tmp_path / "rows.npy", np.ones((12, 6)))
    np.save(tmp_path / "prompts.npy", prompts)
    with pytest.raises(ExtractError, match=message):
        store_embeddings(
            table,
            {"image": tmp_path / "rows.npy"},
            out=tmp_path / "a.h5",
            encoder_name="x",
            prompts=tmp_path / "prompts.npy",
        )


@pytest.mark.parametrize("name", ["labels/bytes", "texts/bytes", "embeddings"])
def test_changed_prompts_are_found(tmp_path: Path, table: Table, listed: Path, name: str) -> None:
    out, _ = extract(table, tmp_path, listed)
    with h5py.File(out, "r+") as file:
        file[f"prompts/{name}"][0] = 1
    assert "prompts" in verify_store(out)[0]


def test_several_prompts_of_a_label_are_averaged_at_length_1() -> None:
    values = np.array([[2.0, 0.0], [0.0, 5.0], [0.0, -3.0]])
    prompts = Prompts(labels=("a", "a", "b"), texts=("x", "y", "z"), embeddings=values)
    half = 0.5**0.5
    np.testing.assert_allclose(prompts.mean(("b", "a")), [[0, -1], [half, half]], atol=1e-6)


def make_features(*, prompts: bool = True) -> Features:
    rng = np.random.default_rng(0)
    vectors = np.eye(8, dtype=np.float32)[:3]
    targets = (rng.random((90, 3)) < 0.4).astype(np.uint8)
    image, text = (targets @ vectors + 0.3 * rng.normal(size=(90, 8)) for _ in range(2))
    image[4] = np.nan
    return Features(
        ids=tuple(map(str, range(90))),
        embeddings={"image": (image,), "text": (text,)},
        targets=targets,
        labels=("a", "b", "c"),
        prompts=(vectors,) if prompts else (),
    )


def zeroshot(fusion: str) -> HeadModel:
    return HeadModel.make(head="zeroshot", fusion=fusion)


@pytest.mark.parametrize("fusion", prompted_fusions())
def test_rows_are_compared_with_prompts(fusion: str) -> None:
    features = make_features()
    model = zeroshot(fusion)
    folds = np.arange(90) % 3
    scores = np.empty((90, 3))
    for _, rows, values in model.cross_validate(features, Folds(folds)):
        scores[rows] = values
    assert features.targets is not None
    assert ((scores > 0.5) == features.targets).mean() > 0.8
    # Two numbers for all labels: the order is that of the cosines.
    fused = fuse(features, fusion, prompts=True)
    assert fused.prompts is not None
    head = model.folds_[0]
    block = fused.blocks[0]
    row = fused.values[9].reshape(-1, block)
    row = row / np.linalg.norm(row, axis=1, keepdims=True)
    cosines = (row @ fused.prompts[:, :block].T).mean(axis=0)
    order = np.argsort(head.predict_proba(fused.values[9:10])[0])
    np.testing.assert_array_equal(order, np.argsort(cosines))


def test_a_row_with_one_modality_is_compared_by_that_one() -> None:
    features = make_features()
    model = zeroshot("concat")
    list(model.cross_validate(features, Folds(np.arange(90) % 3)))
    head = model.folds_[0]
    rows = np.eye(8, dtype=np.float32)[:1]
    whole = head.predict_proba(np.hstack([rows, rows]))
    np.testing.assert_allclose(head.predict_proba(np.hstack([0 * rows, rows])), whole, atol=1e-6)


@pytest.mark.parametrize("fusion", ["product", "max", "absdiff", "concat-product"])
def test_fusions_without_sense_are_told(fusion: str) -> None:
    with pytest.raises(ConfigError, match="prompts of the labels"):
        zeroshot(fusion)


def test_missing_and_unequal_prompts_are_told() -> None:
    bare = make_features(prompts=False)
    with pytest.raises(FitError, match="--label-prompts"):
        list(zeroshot("image").cross_validate(bare, Folds(np.arange(90) % 3)))
    narrow = replace(bare, prompts=(np.eye(3, dtype=np.float32),))
    with pytest.raises(FitError, match="has 8 numbers, the prompts have 3"):
        list(zeroshot("image").cross_validate(narrow, Folds(np.arange(90) % 3)))
