"""The modality joint: rows need a picture and a caption, and each pair is encoded once."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmfeat.errors import EncoderError, ExtractError
from mmfeat.extract.rows.shapes import in_equal_shapes
from mmfeat.store import FeatureStore
from mmfeat.store.verify import verify_store
from mmfeat.tables.table import Table
from tests.support.stage_one.extraction import extract
from tests.support.stage_one.toy import (
    SETTINGS,
    ToyEncoder,
    ToyPairs,
    make_picture,
    write_table,
)

SIZES = ((24, 16), (16, 24), (24, 24), (200, 8))
CAPTIONS = ("a bus", "two cats", "a bus", " ", "a very long caption " * 4)
LOST = (5, 9)  # rows without a picture; rows 3, 8, 9 and 13 have no caption


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """16 rows: pictures of four shapes, two of them missing, and one under two names."""
    for row in range(12):
        if row not in LOST:
            make_picture(tmp_path / "images" / f"{row}.jpg", seed=row, size=SIZES[row % 4])
    shutil.copy(tmp_path / "images" / "0.jpg", tmp_path / "images" / "12.jpg")
    rows = [(f"{row}.jpg", "1", CAPTIONS[row % 5]) for row in range(16)]
    table = write_table(tmp_path / "table.csv", rows)
    paths = (*table.image_paths[:13], "1.jpg", "1.jpg", "1.jpg")
    captions = (
        *CAPTIONS,
        *CAPTIONS[:4],
        " ",
        "a bus",
        "two cats",
        "a bus",
        " ",
        "two cats",
        "a bus",
    )
    return replace(table, image_paths=paths, captions=captions)


def make(table: Table, folder: Path, name: str = "a.h5", **options: object) -> ToyPairs:
    encoder = options.pop("encoder", None) or ToyPairs()
    extract(table, folder, folder / name, encoder=encoder, **options)
    assert verify_store(folder / name) == []
    assert isinstance(encoder, ToyPairs)
    return encoder


def test_each_pair_is_encoded_once_and_every_row_is_accounted_for(
    tmp_path: Path, table: Table
) -> None:
    encoder = make(table, tmp_path, settings=replace(SETTINGS, shard_rows=99))
    with FeatureStore.open(tmp_path / "a.h5") as store:
        assert store.modalities == ("joint",)
        assert store.counts == {"joint": {"ok": 11, "missing": 2, "empty": 3}}
        reasons = {row.row: row.reason for row in store.failed}
        values = store.embeddings("joint")
        digests = store.numbers("joint/digests")
        assert store.optional("truncated")["joint"].tolist() == [0] * 4 + [1] + [0] * 11
    assert set(reasons) == {3, 5, 8, 9, 13}
    assert reasons[3] == reasons[8] == reasons[13] == "the caption is empty"
    assert reasons[5] == "there is no such file"
    assert reasons[9] == "there is no such file, and the caption is empty"
    assert np.isnan(values[list(reasons)]).all()
    assert not digests[list(reasons)].any() and digests[0].any()
    # row 12 is a copy of row 0 with its caption, row 14 is row 1
    assert sum(shape[0] for shape in encoder.shapes) == 9
    np.testing.assert_array_equal(values[12], values[0])
    np.testing.assert_array_equal(values[14], values[1])
    assert (values[15] != values[14]).any()
    shapes = {shape[1:3] for shape in encoder.shapes}
    assert shapes == {(8, 12), (12, 8), (8, 8), (4, 20)}


def test_batches_shards_and_interruptions_leave_no_trace(tmp_path: Path, table: Table) -> None:
    make(table, tmp_path)
    expected = (tmp_path / "a.h5").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        make(table, tmp_path, "b.h5", encoder=ToyPairs(most=4))
    assert (tmp_path / "b.h5.parts" / "00000.h5").exists()
    make(table, tmp_path, "b.h5")
    assert (tmp_path / "b.h5").read_bytes() == expected
    make(table, tmp_path, "c.h5", settings=replace(SETTINGS, batch_size=1, shard_rows=1))
    make(table, tmp_path, "d.h5", settings=replace(SETTINGS, engine="torchrun"))
    assert (tmp_path / "d.h5").read_bytes() == expected
    with FeatureStore.open(tmp_path / "a.h5") as a, FeatureStore.open(tmp_path / "c.h5") as c:
        assert np.array_equal(a.embeddings("joint"), c.embeddings("joint"), equal_nan=True)


def test_only_pairs_that_are_new_cost_anything(tmp_path: Path, table: Table) -> None:
    make(table, tmp_path)
    (tmp_path / "images" / "2.jpg").rename(tmp_path / "images" / "new.jpg")
    make_picture(tmp_path / "images" / "5.jpg", seed=5)
    paths = tuple("new.jpg" if path == "2.jpg" else path for path in table.image_paths)
    assert table.captions is not None
    captions = (*table.captions[:15], "another caption")
    changed = replace(table, image_paths=paths, captions=captions, sha256="1" * 64)
    encoder = make(changed, tmp_path)
    assert sum(shape[0] for shape in encoder.shapes) == 2  # a mended picture, a new caption
    make(changed, tmp_path, "fresh.h5")
    with FeatureStore.open(tmp_path / "a.h5") as a, FeatureStore.open(tmp_path / "fresh.h5") as b:
        assert a.digest == b.digest
    assert make(changed, tmp_path).shapes == []


def test_pictures_and_pairs_of_one_encoder(tmp_path: Path, table: Table) -> None:
    both = ToyPairs()
    both.dims = {"image": 6, "text": 6, "joint": 9}
    both.batch_sizes = dict.fromkeys(both.dims, 1)
    both.preprocessing = ToyEncoder.preprocessing
    make(table, tmp_path, encoder=both)
    with FeatureStore.open(tmp_path / "a.h5") as store:
        assert store.modalities == ("image", "text", "joint")
        assert [sum(counts.values()) for counts in store.counts.values()] == [16] * 3
        assert store.counts["joint"] == {"ok": 11, "missing": 2, "empty": 3}
        ok = store.status("joint") == 1
        np.testing.assert_array_equal(
            store.embeddings("joint")[ok][:, :3], store.embeddings("image")[ok][:, :3]
        )


def test_what_pairs_lack_is_one_error(tmp_path: Path, table: Table) -> None:
    with pytest.raises(ExtractError, match="--text-col"):
        make(replace(table, captions=None), tmp_path)
    with pytest.raises(ExtractError, match="name the column of captions with --text-col"):
        make(replace(table, captions=("",) * 16, sha256="1" * 64), tmp_path, "empty.h5")
    with pytest.raises(EncoderError, match="gives joint, not text"):
        make(table, tmp_path, settings=replace(SETTINGS, modalities=("text",)))
    with pytest.raises(EncoderError, match="gives image and text, not joint"):
        extract(
            table, tmp_path, tmp_path / "a.h5", settings=replace(SETTINGS, modalities=("joint",))
        )
    with pytest.raises(ExtractError, match=r"row 5 \(5.jpg\).*no such file"):
        make(table, tmp_path, settings=replace(SETTINGS, on_bad_image="fail"))


def test_pictures_wait_for_others_of_their_shape_in_a_bounded_number() -> None:
    shapes = [(1, 2, 3), (2, 2, 3), (1, 2, 3), (3, 1, 3), (4, 1, 3)] * 4
    pictures = [(at, np.zeros(shape, np.uint8)) for at, shape in enumerate(shapes)]
    taken: list[int] = []

    def source() -> object:
        for at, pixels in pictures:
            taken.append(at)
            yield at, pixels

    given: list[int] = []
    for batch in in_equal_shapes(source(), 2):  # type: ignore[arg-type]
        assert 1 <= len(batch) <= 2 and len({pixels.shape for _, pixels in batch}) == 1
        given += [at for at, _ in batch]
        assert len(taken) - len(given) < 8
    assert sorted(given) == list(range(20))
