"""A sample of a store is encoded again, and what differs is seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmfeat.errors import ExtractError
from mmfeat.extract.engines.reencode import BATCH, reencode
from tests.support.stage_one.extraction import extract
from tests.support.stage_one.toy import ToyEncoder, make_table
from tests.support.workspaces import Mmfeat, error_line


def test_rows_that_depend_on_their_batch_or_lack_their_picture_are_seen(tmp_path: Path) -> None:
    extract(make_table(tmp_path), tmp_path, tmp_path / "a.h5")
    (tmp_path / "images" / "3.jpg").unlink()
    found = reencode(
        tmp_path / "a.h5", n_rows=100, images=tmp_path / "images", load=lambda _: ToyEncoder()
    )
    assert found["image"].n_compared == 11
    assert found["image"].differing == ("3.jpg",)
    assert not found["image"].is_same
    # the toy adds the size of its batch to numbers below 256, which are rounded to a half of 2^-3
    assert 0 < found["image"].largest_difference <= BATCH / 64 + 2**-3
    assert 0.999 < found["image"].worst_cosine < 1
    assert found["text"].is_same


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    extract(make_table(tmp_path), tmp_path, tmp_path / "a.h5")
    other = ToyEncoder()
    other.provenance["weights_sha256"] = "1" * 64
    with pytest.raises(ExtractError, match="the weights_sha256 differs"):
        reencode(tmp_path / "a.h5", n_rows=2, images=tmp_path / "images", load=lambda _: other)


def test_a_store_of_the_command_line_is_confirmed(demo_project: Path, mmfeat: Mmfeat) -> None:
    store, images = demo_project / "artifacts/features/train.h5", demo_project / "data"
    line = ["verify", store, "--reencode", 10, "--images"]
    told = mmfeat(*line, images, "--json")
    assert told.exit_code == 0, told.stderr
    found = json.loads(told.stdout)["reencoded"]
    assert {name: each["n_compared"] for name, each in found.items()} == {"image": 10, "text": 10}
    assert all(each["worst_cosine"] > 0.999 for each in found.values())
    assert "--images" in error_line(mmfeat, *line, demo_project / "nowhere")
