"""Stage one: every row is accounted for, and nothing that was done is lost."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmfeat.errors import ConfigError, ExtractError, PluginError
from mmfeat.extract import extract_table
from mmfeat.extract.lock import sole_writer
from mmfeat.store import FeatureStore
from mmfeat.store.verify import verify_store
from tests.support.stage_one.extraction import (
    extract,
)
from tests.support.stage_one.toy import SETTINGS, ToyEncoder, make_table


def test_every_row_is_there_with_a_status_and_a_reason(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    (tmp_path / "images" / "4.jpg").unlink()
    (tmp_path / "images" / "7.jpg").write_bytes(b"not an image")
    summary = extract(table, tmp_path, tmp_path / "a.h5")
    assert summary.counts == {
        "image": {"ok": 10, "missing": 1, "corrupt": 1},
        "text": {"ok": 10, "empty": 2},
    }
    assert all(sum(counts.values()) == table.n_rows for counts in summary.counts.values())
    assert [(p.row, p.modality) for p in summary.failed] == [
        (2, "text"),
        (4, "image"),
        (7, "image"),
        (7, "text"),
    ]
    assert summary.truncated == {"text": 2} and "text: 2 rows were truncated" in str(summary)
    assert verify_store(tmp_path / "a.h5") == []
    with FeatureStore.open(tmp_path / "a.h5") as store:
        assert store.ids == table.ids and store.captions == table.captions
        assert np.isnan(store.embeddings("image")[[4, 7]]).all()
        cut = sum(store.optional("truncated").values(), np.zeros(store.n_rows))
        assert np.flatnonzero(cut).tolist() == [4, 9]
    assert not list(tmp_path.glob("*.parts")) and not list(tmp_path.glob("*.lock"))


def test_worker_processes_give_the_same_bytes(tmp_path: Path) -> None:
    table = make_table(tmp_path, n_rows=40)
    (tmp_path / "images" / "9.jpg").write_bytes(b"")
    extract(table, tmp_path, tmp_path / "a.h5")
    extract(table, tmp_path, tmp_path / "b.h5", settings=replace(SETTINGS, workers=2))
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_table_without_captions_gives_images_only(tmp_path: Path) -> None:
    table = replace(make_table(tmp_path), captions=None)
    assert set(extract(table, tmp_path, tmp_path / "a.h5").counts) == {"image"}
    with pytest.raises(ExtractError, match="no caption column"):
        extract(
            table, tmp_path, tmp_path / "b.h5", settings=replace(SETTINGS, modalities=("text",))
        )


def test_a_second_extraction_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    with sole_writer(tmp_path / "a.h5"), pytest.raises(ExtractError, match=f"{os.getpid()} is"):
        extract(table, tmp_path, tmp_path / "a.h5")
    (tmp_path / "a.h5.lock").write_text("4711\n")  # of a process that is dead
    assert extract(table, tmp_path, tmp_path / "a.h5").n_rows == table.n_rows


def test_on_bad_image_fail_stops_at_the_first(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    (tmp_path / "images" / "6.jpg").unlink()
    with pytest.raises(ExtractError, match=r"row 6 \(6\.jpg\)"):
        extract(table, tmp_path, tmp_path / "a.h5", settings=replace(SETTINGS, on_bad_image="fail"))
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "int8"},
        {"decode": "sloppy"},
        {"on_bad_image": "ignore"},
        {"shard_rows": 0},
        {"max_pixels": 0},
        {"modalities": ("sound",)},
        {"modalities": ()},
    ],
)
def test_settings_out_of_range(tmp_path: Path, change: dict[str, object]) -> None:
    table = make_table(tmp_path)
    options = replace(SETTINGS, **change)  # type: ignore[arg-type]
    with pytest.raises((ConfigError, ExtractError)):
        extract(table, tmp_path, tmp_path / "a.h5", settings=options)


def test_a_missing_folder_and_an_unknown_engine(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    with pytest.raises(ExtractError, match="folder"):
        extract(table, tmp_path / "nowhere", tmp_path / "a.h5")
    with pytest.raises(PluginError, match="local"):
        extract(table, tmp_path, tmp_path / "a.h5", settings=replace(SETTINGS, engine="nowhere"))


def test_progress_reaches_every_row_of_both(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    seen: dict[str, list[int]] = {"image": [], "text": []}
    extract_table(
        table,
        images=tmp_path / "images",
        encoder=ToyEncoder(),
        out=tmp_path / "a.h5",
        settings=SETTINGS,
        progress=lambda modality, done, total: seen[modality].append(done),
    )
    for done in seen.values():
        assert done == sorted(done) and done[-1] == table.n_rows
