"""A store of an earlier table or of other pictures: what is the same is not encoded again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from mmfeat.config import DataSettings, ExtractSettings
from mmfeat.errors import StoreError
from mmfeat.extract import extract_table
from mmfeat.extract.images.missing import ALLOW
from mmfeat.store import FeatureStore
from mmfeat.store.cost import read_cost
from mmfeat.store.verify import verify_store
from mmfeat.tables import read_table
from mmfeat.tables.table import Table
from tests.support.stage_one.extraction import InterruptedEncoder, extract, extract_from
from tests.support.stage_one.toy import (
    CAPTIONS,
    SETTINGS,
    ToyEncoder,
    make_picture,
    make_table,
    write_table,
)

ONE = replace(SETTINGS, batch_size=1)  # so that a batch leaves no trace in the numbers


def cost(
    table: Table, folder: Path, *, settings: ExtractSettings = ONE, images: str = "images"
) -> tuple[int, int]:
    """Extract into a.h5; give how many images and captions were encoded, as afresh."""
    encoder = ToyEncoder()
    extract_from(table, folder / images, folder / "a.h5", encoder=encoder, settings=settings)
    extract_from(table, folder / images, folder / "fresh.h5", settings=settings)
    with (
        FeatureStore.open(folder / "a.h5") as store,
        FeatureStore.open(folder / "fresh.h5") as fresh,
    ):
        assert store.digest == fresh.digest
        fresh_path = fresh.path
    assert verify_store(folder / "a.h5") == []
    fresh_path.unlink() if fresh_path.is_file() else shutil.rmtree(fresh_path)
    left = sorted(path.name for path in folder.iterdir() if ".new-" in path.name)
    assert left == []
    return encoder.n_images, encoder.n_captions


def test_the_seconds_of_a_store_are_kept_beside_it(tmp_path: Path) -> None:
    table, out = make_table(tmp_path), tmp_path / "a.h5"
    extract(table, tmp_path, out)
    with FeatureStore.open(out) as store:
        first = read_cost(out, store.provenance)
    assert first is not None and first.rows == table.n_rows and first.engine == "local"
    make_picture(tmp_path / "images" / table.image_paths[0], seed=99)
    extract(table, tmp_path, out)  # one row, which tells nothing of a thousand
    with FeatureStore.open(out) as store:
        assert read_cost(out, store.provenance) == first


def rows_of(n_rows: int) -> list[tuple[str, str, str]]:
    return [
        (f"{row}.jpg", f"{row % 3} {3 + row % 2}", CAPTIONS[row % len(CAPTIONS)])
        for row in range(n_rows)
    ]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """A table whose store is a.h5."""
    table = make_table(tmp_path)
    assert cost(table, tmp_path) == (12, 3)
    return table


def test_the_same_again_costs_nothing(tmp_path: Path, table: Table) -> None:
    before = (tmp_path / "a.h5").read_bytes()
    assert cost(table, tmp_path) == (0, 0)
    assert (tmp_path / "a.h5").read_bytes() == before


def test_labels_and_how_they_are_read_cost_nothing(tmp_path: Path, table: Table) -> None:
    rows = [(name, f"{row % 4}|x", text) for row, (name, _, text) in enumerate(rows_of(12))]
    write_table(tmp_path / "table.csv", rows)
    for separator, labels in (("+", 4), ("|", 5)):
        read = read_table(
            tmp_path / "table.csv", data=DataSettings(label_sep=separator), named=("label_sep",)
        )
        assert cost(read, tmp_path) == (0, 0)
        with FeatureStore.open(tmp_path / "a.h5") as store:
            assert len(store.labels) == labels
    unlabelled = replace(table, targets=None, labels=())
    assert cost(unlabelled, tmp_path) == (0, 0)


def test_rows_that_are_new_cost_what_they_are(tmp_path: Path, table: Table) -> None:
    for row in (12, 13):
        make_picture(tmp_path / "images" / f"{row}.jpg", seed=row)
    rows = rows_of(14)
    rows[2] = (rows[2][0], rows[2][1], "a caption that is filled in")
    assert cost(write_table(tmp_path / "t.csv", [*rows[7:], *rows[:5]]), tmp_path) == (2, 1)


@pytest.mark.parametrize("n_rows", [1, 5])
def test_a_table_of_other_rows_does_not_replace_the_store(
    tmp_path: Path, table: Table, n_rows: int
) -> None:
    before = (tmp_path / "a.h5").read_bytes()
    with pytest.raises(StoreError, match=f"of 12 image embeddings of .*a.h5, {n_rows} are of"):
        cost(write_table(tmp_path / "t.csv", rows_of(n_rows)), tmp_path)
    assert (tmp_path / "a.h5").read_bytes() == before


def test_a_picture_that_was_changed_is_encoded_again(tmp_path: Path, table: Table) -> None:
    make_picture(tmp_path / "images" / "3.jpg", seed=99)
    (tmp_path / "images" / "4.jpg").touch()  # younger than the store, and the same
    assert cost(table, tmp_path) == (1, 0)
    (tmp_path / "images" / "5.jpg").unlink()  # what was encoded of it stays
    assert extract(table, tmp_path, tmp_path / "a.h5", settings=ONE).already_complete


def test_renamed_pictures_are_known_by_their_content(tmp_path: Path, table: Table) -> None:
    images = tmp_path / "images"
    (images / "sub").mkdir()
    (images / "0.jpg").rename(images / "sub" / "new.jpg")
    (images / "1.jpg").rename(images / "aside")
    (images / "2.jpg").rename(images / "1.jpg")
    (images / "aside").rename(images / "2.jpg")
    for name in ("1.jpg", "2.jpg"):  # younger than the store: names alone would not tell
        (images / name).touch()
    make_picture(images / "12.jpg", seed=12)
    rows = rows_of(13)
    rows[0] = ("sub/new.jpg", *rows[0][1:])
    assert cost(write_table(tmp_path / "t.csv", rows), tmp_path) == (1, 0)


def test_another_folder_with_other_pictures_of_the_same_names(tmp_path: Path, table: Table) -> None:
    """Older than the store, so that only their bytes tell them from its own."""
    shutil.copytree(tmp_path / "images", tmp_path / "others")
    for row in (0, 7):
        shutil.copy(tmp_path / "images" / f"{row + 1}.jpg", tmp_path / "others" / f"{row}.jpg")
    assert cost(table, tmp_path, images="others") == (2, 0)
    shutil.copytree(tmp_path / "others", tmp_path / "copies")
    assert cost(table, tmp_path, images="copies") == (0, 0)
    (tmp_path / ".a.images").unlink()  # as of a store that was copied alone
    assert cost(table, tmp_path, images="copies") == (0, 0)


def test_captions_that_were_not_read_are_added(tmp_path: Path, table: Table) -> None:
    (tmp_path / "a.h5").unlink()
    only = replace(table, captions=None, format=replace(table.format, text_col=None))
    assert cost(only, tmp_path) == (12, 0)
    assert cost(table, tmp_path) == (0, 3)
    with pytest.raises(StoreError, match="modalities is"):
        extract(only, tmp_path, tmp_path / "a.h5", settings=ONE)


def test_failed_pictures_are_found_later(tmp_path: Path, table: Table) -> None:
    (tmp_path / "a.h5").unlink()
    for row in (3, 8):
        (tmp_path / "images" / f"{row}.jpg").rename(tmp_path / f"{row}.jpg")
    assert cost(table, tmp_path) == (10, 3)
    (tmp_path / "8.jpg").rename(tmp_path / "images" / "8.jpg")
    assert cost(table, tmp_path) == (1, 0)
    assert "allow" in ALLOW  # the update asked nothing of the row that is still missing


def test_a_store_of_many_files_is_updated(tmp_path: Path, table: Table) -> None:
    (tmp_path / "a.h5").unlink()
    many = replace(ONE, rows_per_file=5)
    assert cost(table, tmp_path, settings=many) == (12, 3)
    longer = write_table(tmp_path / "t.csv", [*rows_of(12), ("0.jpg.png", "1", "new")])
    shutil.copy(tmp_path / "images" / "0.jpg", tmp_path / "images" / "0.jpg.png")
    assert cost(longer, tmp_path, settings=many) == (1, 1)


def test_an_update_that_is_interrupted_goes_on(tmp_path: Path, table: Table) -> None:
    for row in range(12, 20):
        make_picture(tmp_path / "images" / f"{row}.jpg", seed=row)
    longer = write_table(tmp_path / "t.csv", rows_of(20))
    before = (tmp_path / "a.h5").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        extract(longer, tmp_path, tmp_path / "a.h5", encoder=InterruptedEncoder(6), settings=ONE)
    assert (tmp_path / "a.h5").read_bytes() == before
    assert cost(longer, tmp_path) == (3, 0)  # the first five are in a shard


def test_a_damaged_store_is_made_again(
    tmp_path: Path, table: Table, caplog: pytest.LogCaptureFixture
) -> None:
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["text/embeddings"][1, 0] += 1
    assert verify_store(tmp_path / "a.h5") != []
    assert cost(table, tmp_path) == (12, 3)
    assert "it is rebuilt" in caplog.text


def test_an_interrupted_extraction_is_not_mixed_with_another_column(
    tmp_path: Path, table: Table
) -> None:
    (tmp_path / "a.h5").unlink()
    with pytest.raises(KeyboardInterrupt):
        extract(table, tmp_path, tmp_path / "a.h5", encoder=InterruptedEncoder(6), settings=ONE)
    other = replace(
        table,
        captions=tuple(f"other {row}" for row in range(12)),
        format=replace(table.format, text_col="Title"),
    )
    with pytest.raises(StoreError, match=r"table\.text_col is 'Caption' there and 'Title' now"):
        extract(other, tmp_path, tmp_path / "a.h5", settings=ONE)
    assert cost(table, tmp_path) == (7, 0)


def test_embeddings_are_those_of_the_new_order(tmp_path: Path, table: Table) -> None:
    with FeatureStore.open(tmp_path / "a.h5") as store:
        before = dict(zip(store.ids, store.embeddings("image"), strict=True))
    cost(write_table(tmp_path / "t.csv", rows_of(12)[::-1]), tmp_path)
    with FeatureStore.open(tmp_path / "a.h5") as store:
        for id_, row in zip(store.ids, store.embeddings("image"), strict=True):
            np.testing.assert_array_equal(row, before[id_])


def reusing(
    table: Table, folder: Path, out: str, *, encoder: ToyEncoder, settings: ExtractSettings = ONE
) -> str:
    """Extract with the embeddings of a.h5; give the digest of the store."""
    extract_table(
        table,
        images=folder / "images",
        encoder=encoder,
        out=folder / out,
        settings=settings,
        reuse=folder / "a.h5",
    )
    with FeatureStore.open(folder / out) as store:
        return store.digest


def test_another_table_reuses_the_rows_that_did_not_change(tmp_path: Path, table: Table) -> None:
    images, before = tmp_path / "images", (tmp_path / "a.h5").read_bytes()
    (images / "0.jpg").rename(images / "old.jpg")  # the same content under another name
    for row in (3, 12, 13):  # one that changed, and two new ones
        make_picture(images / f"{row}.jpg", seed=100 + row)
    rows = rows_of(14)
    rows[0] = ("old.jpg", *rows[0][1:])
    rows[1] = (rows[1][0], rows[1][1], "a new caption")
    larger = write_table(tmp_path / "t.csv", rows)
    with pytest.raises(KeyboardInterrupt):
        reusing(larger, tmp_path, "b.h5", encoder=InterruptedEncoder(1))
    encoder = ToyEncoder()
    digest = reusing(larger, tmp_path, "b.h5", encoder=encoder)
    assert (encoder.n_images, encoder.n_captions) == (3, 1)
    extract(larger, tmp_path, tmp_path / "fresh.h5", settings=ONE)
    with FeatureStore.open(tmp_path / "fresh.h5") as fresh:
        assert fresh.digest == digest
    assert (tmp_path / "a.h5").read_bytes() == before
    with FeatureStore.open(tmp_path / "b.h5") as store:
        assert read_cost(tmp_path / "b.h5", store.provenance) is not None  # that of a.h5
    assert reusing(larger, tmp_path, "b.h5", encoder=ToyEncoder()) == digest


def test_a_store_of_another_encoder_or_a_damaged_one_is_not_reused(
    tmp_path: Path, table: Table
) -> None:
    with pytest.raises(StoreError, match=r"encoder.name is 'toy' there .* leave out --reuse"):
        reusing(table, tmp_path, "b.h5", encoder=ToyEncoder(name="other"))
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["image/embeddings"][0] = 7
    with pytest.raises(StoreError, match=r"a.h5"):
        reusing(table, tmp_path, "b.h5", encoder=ToyEncoder())
    assert not (tmp_path / "b.h5").exists()
