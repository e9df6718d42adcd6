from __future__ import annotations

from pathlib import Path

import pytest

from mmfeat.errors import SubmissionError
from mmfeat.predict.score import score
from tests.support.files import put


def test_score_by_hand(tmp_path: Path) -> None:
    truth = put(tmp_path / "t.csv", "ImageID,Labels,Usage\na.jpg,1 10,x\nb.jpg,2,x\nc.jpg,1,x\n")
    found = put(tmp_path / "x.csv", "ImageID,Labels\nc.jpg,2\nb.jpg,2\na.jpg,1\n")
    result = score(found, truth)
    # class 1: 1 of 2 found, class 2: 1 right of 2 predicted, class 10: none
    assert [row["label"] for row in result["per_class"]] == ["1", "2", "10"]
    assert [row["f1"] for row in result["per_class"]] == pytest.approx([2 / 3, 2 / 3, 0])
    assert result["macro_f1"] == pytest.approx(4 / 9)
    assert result["micro_f1"] == pytest.approx(4 / 7)
    assert result["samples_f1"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert result["map"] is None and result["rows"] == 3
    assert result["worst"][0] == {"id": "c.jpg", "f1": 0.0, "true": ["1"], "predicted": ["2"]}


def test_score_refuses_what_does_not_fit_the_truth(tmp_path: Path) -> None:
    truth = put(tmp_path / "t.csv", "ImageID,Labels\na.jpg,1\nb.jpg,2\n")
    for text, found in [
        ("ImageID,Labels\na.jpg,1\n", "lacks"),
        ("ImageID,Labels\na.jpg,1\nb.jpg,3\n", "id 'b.jpg' has '3'"),
        ("ImageID,Labels\na.jpg,1\na.jpg,2\n", "rows 2 and 3"),
        ("ImageID\na.jpg\nb.jpg\n", "Labels"),
        ("ImageID,Labels\n", "lacks 2 of 2"),
    ]:
        with pytest.raises(SubmissionError, match=found):
            score(put(tmp_path / "x.csv", text), truth)
    empty = put(tmp_path / "e.csv", "ImageID,Labels\n")
    with pytest.raises(SubmissionError, match="has none"):
        score(empty, empty)
    named = score(
        put(tmp_path / "x.csv", "ImageID,Labels\na.jpg,1\nb.jpg,3\n"), truth, labels=["1", "2", "3"]
    )
    assert named["per_class"][2]["f1"] is None and named["macro_f1"] == 0.5
    assert "excluded from averages: 3" in named["notes"][0]


def test_a_table_with_captions_is_a_solution(tmp_path: Path) -> None:
    truth = put(tmp_path / "t.csv", 'ImageID,Labels,Caption\na,2 x,"say "hi" now"\nb,10,plain\n')
    found = put(tmp_path / "x.csv", "ImageID,Labels\na,2 x\nb,10\n")
    result = score(found, truth)
    assert [row["label"] for row in result["per_class"]] == ["10", "2", "x"]
    assert result["macro_f1"] == 1.0
