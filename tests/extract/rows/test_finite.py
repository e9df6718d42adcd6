"""NaN is no embedding: it is counted as failed, and an error where it is common."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmfeat.errors import EncoderError
from mmfeat.extract.encoders.base import Pixels, Tokens
from mmfeat.store import FeatureStore
from mmfeat.store.verify import verify_store
from mmfeat.tables.table import Table
from mmfeat.types import FloatArray
from tests.support.stage_one.extraction import extract
from tests.support.stage_one.toy import SETTINGS, ToyEncoder, make_table, write_table


class Broken(ToyEncoder):
    """Gives `value` for every input whose first number is at most `most`."""

    def __init__(self, value: float, *, most: float = np.inf) -> None:
        super().__init__()
        self.provenance |= {"precision": "fp16"}
        self._value, self._most = value, most

    def encode_images(self, pixels: Pixels) -> FloatArray:
        return self._spoil(super().encode_images(pixels))

    def encode_tokens(self, tokens: Tokens) -> FloatArray:
        return self._spoil(super().encode_tokens(tokens))

    def _spoil(self, found: FloatArray) -> FloatArray:
        found[found[:, 0] <= self._most, 1] = self._value
        return found


@pytest.mark.parametrize("modality", ["image", "text"])
@pytest.mark.parametrize(
    ("value", "told"),
    [
        (np.nan, r"precision fp16; use another --precision \(fp32 or bf16\)"),
        (np.inf, "--pretrained"),
        (1e6, "too large for float16; use --dtype float32"),
    ],
)
def test_many_end_the_extraction_with_a_remedy(
    tmp_path: Path, modality: str, value: float, told: str
) -> None:
    table = make_table(tmp_path)
    if modality == "text":
        table = replace(table, image_paths=("0.jpg",) * 12)
    encoder = Broken(value)
    if modality == "text":
        encoder.encode_images = ToyEncoder().encode_images  # type: ignore[method-assign]
    with pytest.raises(EncoderError, match=told):
        extract(table, tmp_path, tmp_path / "a.h5", encoder=encoder)
    assert not (tmp_path / "a.h5").exists()


def captions(folder: Path, n_rows: int = 8) -> Table:
    """A table of one picture; the third caption is the only one that begins with an a."""
    table = make_table(folder, n_rows=1)
    texts = [f"{'a' if row == 2 else 'z'} caption {row}" for row in range(n_rows)]
    rows = [(f"{row}.jpg", "1", text) for row, text in enumerate(texts)]
    return replace(write_table(folder / "t.csv", rows), image_paths=table.image_paths * n_rows)


def test_few_are_counted_as_failed(tmp_path: Path) -> None:
    table = captions(tmp_path)
    encoder = Broken(np.nan, most=ord("a") % 97 + 2)
    encoder.encode_images = ToyEncoder().encode_images  # type: ignore[method-assign]
    summary = extract(table, tmp_path, tmp_path / "a.h5", encoder=encoder)
    assert summary.counts == {"image": {"ok": 8}, "text": {"ok": 7, "corrupt": 1}}
    (failed,) = summary.failed
    assert failed.row == 2 and "NaN or infinity in the precision fp16" in failed.reason
    with FeatureStore.open(tmp_path / "a.h5") as store:
        assert np.isnan(store.embeddings("text")[2]).all()
    assert verify_store(tmp_path / "a.h5") == []


def test_copies_of_a_picture_fail_with_it(tmp_path: Path) -> None:
    table = make_table(tmp_path, n_rows=5)
    for row, grey in enumerate((9, 200, 9, 220, 210)):  # the third is a copy of the first
        Image.new("RGB", (8, 8), (grey,) * 3).save(tmp_path / "images" / f"{row}.jpg")
    table = replace(table, captions=None)
    encoder = Broken(np.nan, most=100)
    summary = extract(table, tmp_path, tmp_path / "a.h5", encoder=encoder)
    assert [failed.row for failed in summary.failed] == [0, 2]
    assert summary.counts == {"image": {"ok": 3, "corrupt": 2}}
    assert verify_store(tmp_path / "a.h5") == []


def test_one_of_a_short_last_shard_is_no_reason_to_stop(tmp_path: Path) -> None:
    table = captions(tmp_path, n_rows=41)
    texts = (*("z" * row for row in range(1, 41)), "a")
    table = replace(table, captions=texts)
    encoder = Broken(np.nan, most=ord("a") % 97 + 2)
    encoder.encode_images = ToyEncoder().encode_images  # type: ignore[method-assign]
    settings = replace(SETTINGS, shard_rows=40)
    summary = extract(table, tmp_path, tmp_path / "a.h5", encoder=encoder, settings=settings)
    assert summary.counts["text"] == {"ok": 40, "corrupt": 1}
