"""Images that failed are tried again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmfeat.extract.summary import summarise
from mmfeat.store import FeatureStore, Status
from mmfeat.store.verify import verify_store
from tests.support.stage_one.extraction import (
    extract,
    repeating_table,
)
from tests.support.stage_one.toy import ToyEncoder, make_picture, make_table


def test_a_mended_picture_is_encoded_once_for_all_its_rows(tmp_path: Path) -> None:
    table = repeating_table(tmp_path)
    extract(table, tmp_path, tmp_path / "a.h5")
    for mended, counts in ((False, {"ok": 18, "missing": 2}), (True, {"ok": 20})):
        if mended:
            make_picture(tmp_path / "images" / "6.jpg", seed=6)
        encoder = ToyEncoder()
        extract(table, tmp_path, tmp_path / "a.h5", encoder=encoder, retry_failed=True)
        assert (encoder.n_images, encoder.n_captions) == (int(mended), 0)
        assert summarise(tmp_path / "a.h5").counts["image"] == counts
        assert verify_store(tmp_path / "a.h5") == []
    with FeatureStore.open(tmp_path / "a.h5") as store:
        assert np.array_equal(store.embeddings("image")[6], store.embeddings("image")[13])


def test_failed_images_are_tried_again_and_nothing_else(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    whole = extract(table, tmp_path, tmp_path / "whole.h5")
    assert whole.counts["image"] == {"ok": 12}
    for row in (3, 8):
        (tmp_path / "images" / f"{row}.jpg").write_bytes(b"")
    extract(table, tmp_path, tmp_path / "a.h5")
    make_picture(tmp_path / "images" / "8.jpg", seed=8)
    encoder = ToyEncoder()
    summary = extract(table, tmp_path, tmp_path / "a.h5", encoder=encoder, retry_failed=True)
    assert encoder.n_images == 1 and encoder.n_captions == 0
    assert summary.counts["image"] == {"ok": 11, "corrupt": 1}
    assert [p.row for p in summary.failed if p.modality == "image"] == [3]
    assert verify_store(tmp_path / "a.h5") == []
    with FeatureStore.open(tmp_path / "a.h5") as store:
        assert store.status("image")[3] == Status.CORRUPT
        assert np.isfinite(store.embeddings("image")[8]).all()
