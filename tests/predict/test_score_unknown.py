"""Scores against a truth of which some is unknown, in every way that a truth says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import mmfeat
from mmfeat.errors import SubmissionError
from tests.support.files import put
from tests.support.workspaces import Mmfeat

SUBMISSION = "ImageID,Labels\n0,a b\n1,b\n2,a\n3,a b\n"
SHORT = {"labels": ["a", "b"]}


def scored(tmp_path: Path, truth: str, **options: Any) -> dict[str, Any]:
    given = put(tmp_path / "s.csv", SUBMISSION)
    return mmfeat.score(given, put(tmp_path / "t.csv", truth), **options)


@pytest.mark.parametrize(
    ("truth", "options"),
    [
        ("ImageID,a,b\n0,1,?\n1,,1\n2,0,0\n3,1,-1\n", {}),
        ("ImageID,a,b,caption\n0,1,?,x\n1,?,1,\n2,0,0,?\n3,1,?,y\n", SHORT),
        (
            "ImageID,a,b,perhaps\n0,1,0,b\n1,?,1,\n2,0,0,\n3,1,?,b\n",
            {"uncertain_col": "perhaps", **SHORT},
        ),
        ("ImageID,Labels,seen\n0,a,\n1,b,\n2,,a b\n3,a,a\n", {"known_col": "seen"}),
        ("ImageID,Labels,perhaps\n0,a,b\n1,b,a\n2,,\n3,a b,b\n", {"uncertain_col": "perhaps"}),
    ],
)
def test_unknown_labels_count_nowhere(tmp_path: Path, truth: str, options: dict[str, Any]) -> None:
    found = scored(tmp_path, truth, **options)
    rows = {row["label"]: row for row in found["per_class"]}
    assert [rows[name]["known"] for name in "ab"] == [3, 2]
    assert rows["a"]["f1"] == 0.8 and rows["b"]["f1"] == 1.0
    assert found["micro_f1"] == pytest.approx(6 / 7) and found["samples_f1"] == 0.75
    assert found["notes"][0] == "37.5 % of the labels are unknown and count nowhere"
    assert [row["id"] for row in found["worst"]] == ["2", "0", "1", "3"]


def test_a_row_that_cannot_be_judged_is_not_among_the_worst(tmp_path: Path) -> None:
    found = scored(tmp_path, "ImageID,a,b\n0,?,0\n1,?,1\n2,1,0\n3,?,?\n")
    assert [row["id"] for row in found["worst"]] == ["1", "2"]


def test_a_column_of_the_settings_may_be_absent_and_a_named_one_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "mmfeat.toml", '[data]\nknown_col = "seen"\n')
    whole = "ImageID,Labels\n0,a b\n1,b\n2,a\n3,a b\n"
    assert scored(tmp_path, whole)["macro_f1"] == 1.0
    with pytest.raises(SubmissionError, match="needs a column 'seen'"):
        scored(tmp_path, whole, known_col="seen")


def test_a_submission_knows_all_its_labels(tmp_path: Path) -> None:
    truth = put(tmp_path / "t.csv", "ImageID,a,b\n0,1,0\n1,0,1\n")
    given = put(tmp_path / "s.csv", "ImageID,a,b\n0,1,?\n1,0,1\n")
    with pytest.raises(SubmissionError):
        mmfeat.score(given, truth)


def test_the_command_tells_how_much_is_unknown(tmp_path: Path, mmfeat: Mmfeat) -> None:
    given = put(tmp_path / "s.csv", SUBMISSION)
    truth = put(tmp_path / "t.csv", "ImageID,Labels,seen\n0,a,\n1,b,\n2,,a b\n3,a,a\n")
    result = mmfeat("score", given, truth, "--known-col", "seen", "--per-class")
    assert result.exit_code == 0, result.stderr
    assert "37.5 % of the labels are unknown and count nowhere" in result.stderr
