"""Rows that repeat one another are encoded once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmfeat.config import ExtractSettings
from mmfeat.store import FeatureStore
from mmfeat.store.verify import verify_store
from tests.support.stage_one.extraction import (
    InterruptedEncoder,
    extract,
    repeating_table,
)
from tests.support.stage_one.toy import SETTINGS, ToyEncoder, make_picture, write_table


def test_equal_captions_and_equal_files_are_encoded_once(tmp_path: Path) -> None:
    rows = []
    for row in range(8):
        make_picture(tmp_path / "images" / f"{row}.jpg", seed=row // 4)
        rows.append((f"{row}.jpg", "1", f"caption {row // 4}"))
    encoder = ToyEncoder()
    table = write_table(tmp_path / "t.csv", rows)
    extract(
        table, tmp_path, tmp_path / "a.h5", encoder=encoder, settings=ExtractSettings(workers=0)
    )
    assert (encoder.n_images, encoder.n_captions) == (2, 2)
    with FeatureStore.open(tmp_path / "a.h5") as store:
        image = store.embeddings("image")
    assert (image[:4] == image[0]).all() and (image[4:] == image[4]).all()
    assert (image[0] != image[4]).any()


@pytest.mark.parametrize("workers", [0, 2])
def test_what_an_earlier_shard_has_is_not_encoded_again(tmp_path: Path, workers: int) -> None:
    table = repeating_table(tmp_path)
    encoder = ToyEncoder()
    options = replace(SETTINGS, shard_rows=3, workers=workers)
    summary = extract(table, tmp_path, tmp_path / "a.h5", encoder=encoder, settings=options)
    assert (encoder.n_images, encoder.n_captions) == (6, 3)
    assert summary.counts["image"] == {"ok": 18, "missing": 2}
    assert summary.counts["text"] == {"ok": 16, "empty": 4} and summary.truncated == {"text": 4}
    assert [(p.row, p.id, p.modality) for p in summary.failed] == [
        (row, f"{row}.jpg", modality)
        for row in range(20)
        for modality, failed in (("image", row % 7 == 6), ("text", row % 5 == 2))
        if failed
    ]
    assert verify_store(tmp_path / "a.h5") == []
    with FeatureStore.open(tmp_path / "a.h5") as store:
        for modality, step in (("image", 7), ("text", 5)):
            values = store.embeddings(modality)
            assert np.array_equal(values[step:], values[:-step], equal_nan=True)
            assert len(np.unique(values[~np.isnan(values).any(axis=1)], axis=0)) > 2


@pytest.mark.parametrize("n_images", range(6))
def test_with_repeats_too_interrupted_equals_uninterrupted(tmp_path: Path, n_images: int) -> None:
    table = repeating_table(tmp_path)
    options = replace(SETTINGS, shard_rows=3, batch_size=2)
    extract(table, tmp_path, tmp_path / "whole.h5", settings=options)
    with pytest.raises(KeyboardInterrupt):
        extract(
            table,
            tmp_path,
            tmp_path / "cut.h5",
            settings=options,
            encoder=InterruptedEncoder(n_images),
        )
    extract(table, tmp_path, tmp_path / "cut.h5", settings=options)
    assert (tmp_path / "cut.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
