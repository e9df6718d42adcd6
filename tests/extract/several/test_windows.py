"""Captions longer than the context are cut, or encoded in windows that it holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmfeat.errors import StoreError
from mmfeat.extract.engines.reencode import reencode
from mmfeat.extract.several.windows import cut_windows
from mmfeat.store import FeatureStore
from mmfeat.store.verify import verify_store
from tests.support.stage_one.extraction import extract, repeating_table
from tests.support.stage_one.toy import CAPTIONS, SETTINGS, ToyEncoder

IN_WINDOWS = replace(SETTINGS, long_captions="windows")


def test_a_long_caption_is_the_mean_of_its_windows_and_short_ones_stay(tmp_path: Path) -> None:
    table = repeating_table(tmp_path)
    extract(table, tmp_path, tmp_path / "cut.h5")
    summary = extract(table, tmp_path, tmp_path / "a.h5", settings=IN_WINDOWS)
    assert summary.truncated == {"text": 0} and summary.windows == {"text": (4, 16)}
    told = "  text: 4 rows are longer than the context: encoded in 16 windows"
    assert told in str(summary).splitlines()
    pieces = ToyEncoder().tokenize(["a very long caption"] * 4).tokens
    unit = ToyEncoder().encode_tokens(pieces).astype(np.float16).astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    with FeatureStore.open(tmp_path / "a.h5") as store, FeatureStore.open(tmp_path / "cut.h5") as c:
        is_long = np.arange(20) % 5 == 4
        assert (store.optional("windows")["text"] == 4 * is_long).all()
        cut = c.embeddings("text")
        expected = np.where(is_long[:, None], unit.mean(axis=0).astype(np.float16), cut)
        assert store.embeddings("text").tobytes() == expected.tobytes()
        assert store.provenance["encoder"]["long_captions"] == "windows"
    assert verify_store(tmp_path / "a.h5") == []
    again = reencode(
        tmp_path / "a.h5", n_rows=20, images=tmp_path / "images", load=lambda _: ToyEncoder()
    )
    assert again["text"].is_same and again["text"].n_compared == 16
    with pytest.raises(StoreError, match=r"encoder\.long_captions is 'windows' there and None now"):
        extract(table, tmp_path, tmp_path / "a.h5")


@pytest.mark.parametrize("caption", [CAPTIONS[-1], "x" * 500, f"{'long ' * 30}{'y' * 60}  z "])
def test_windows_hold_all_of_a_caption_in_order(caption: str) -> None:
    windows = cut_windows(ToyEncoder(), ["short", caption])
    assert windows.bounds[1] == 1 and not windows.tokenized.truncated.any()
    assert windows.tokenized.lengths[1:].min() > 24 / 4
    kept = [row[row > 0] for row in windows.tokenized.tokens[1:]]
    letters = [ord(c) % 97 + 1 for c in caption]
    blank = ord(" ") % 97 + 1
    assert [c for c in np.concatenate(kept) if c != blank] == [c for c in letters if c != blank]
