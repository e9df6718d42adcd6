"""A dry run says what is to be done, and writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmfeat.demo.data import write_demo_data
from mmfeat.errors import ExtractError
from mmfeat.extract.dry_run import ENOUGH, forecast_extract
from tests.support.workspaces import Mmfeat


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_demo_data(tmp_path, n_train=12, n_test=3, seed=1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_rows_seconds_and_what_is_reused(scenes: Path, mmfeat: Mmfeat) -> None:
    before = files(scenes)
    found = forecast_extract(workers=0)
    assert files(scenes) == before
    assert set(found) == {"train", "test"}
    train = found["train"]
    assert (train.n_rows, train.n_done, train.n_bytes) == (12, 0, 12 * 256 * 2)
    assert train.modalities["image"].n_new == 12 and train.modalities["text"].n_new <= 12
    assert 0 < train.seconds < 60 * ENOUGH
    assert mmfeat("extract", "--workers", "0", "--quiet").exit_code == 0
    lines = (scenes / "test.csv").read_text().splitlines()
    (scenes / "test.csv").write_text("\n".join([*lines, "0.jpg,a new caption"]) + "\n")
    after = files(scenes)
    again = forecast_extract(workers=0)
    assert again["train"].seconds == 0
    assert {name: each.n_new for name, each in again["test"].modalities.items()} == {
        "image": 1,
        "text": 1,
    }
    told = mmfeat("extract", "--dry-run", "--workers", "0").stdout
    assert "none to encode" in told and "1 to encode" in told
    assert files(scenes) == after


def test_missing_pictures_are_told_before(scenes: Path) -> None:
    with pytest.raises(ExtractError, match="at least half of the images must exist"):
        forecast_extract("train.csv", images=".", workers=0)
    with pytest.raises(ExtractError, match="`mmfeat predict --table test"):
        forecast_extract("test.csv", images=".", workers=0)
