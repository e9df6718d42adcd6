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
        ("ImageID,Labels\na.jpg,1\na.jpg,2\n", "rows 2 and 3"),
        ("ImageID\na.jpg\nb.jpg\n", "Labels"),
        ("ImageID,Labels\n", "lacks 2 of 2"),
    ]:
        with pytest.raises(SubmissionError, match=found):
            score(put(tmp_path / "x.csv", text), truth)
    empty = put(tmp_path / "e.csv", "ImageID,Labels\n")
    with pytest.raises(SubmissionError, match="has none"):
        score(empty, empty)
    other = put(tmp_path / "x.csv", "ImageID,Labels\na.jpg,1\nb.jpg,3\n")
    with pytest.raises(SubmissionError, match=r"id 'b\.jpg' has '3'"):
        score(other, truth, labels=["1", "2"])
    named = score(other, truth, labels=["1", "2", "3"])
    assert named["per_class"][2]["f1"] is None and named["macro_f1"] == 0.5
    assert "excluded from averages: 3" in named["notes"][0]


@pytest.mark.parametrize("separator", [" ", "|", ";", ", "])
def test_each_file_has_a_separator_of_its_own(tmp_path: Path, separator: str) -> None:
    """And a submission may be what `predict` wrote."""
    truth = put(
        tmp_path / "t.csv", "ImageID,Labels\na,cat|dog\nb,dog\nc,cat|red bird\nd,red bird\n"
    )
    cells = [["cat", "dog"], ["dog"], ["cat", "red bird"], ["dog", "red bird"]]
    if separator == " ":
        cells = [[name for name in cell if " " not in name] for cell in cells]
    lines = [f'{name},"{separator.join(cell)}"' for name, cell in zip("abcd", cells, strict=True)]
    result = score(put(tmp_path / "x.csv", "\n".join(["id,labels", *lines])), truth)
    assert [row["label"] for row in result["per_class"]] == ["cat", "dog", "red bird"]
    assert [row["f1"] for row in result["per_class"]] == pytest.approx(
        [1.0, 0.8, 0.0 if separator == " " else 1.0]
    )


def test_a_label_that_the_truth_never_has_is_a_false_alarm(tmp_path: Path) -> None:
    truth = put(tmp_path / "t.csv", "ImageID,Labels\na,cat|dog\nb,dog\n")
    found = put(tmp_path / "x.csv", "ImageID,Labels\na,cat dog\nb,dog fish\n")
    result = score(found, truth)
    assert result["micro_f1"] == pytest.approx(6 / 7) and result["macro_f1"] == 1.0
    assert result["samples_f1"] == pytest.approx((1 + 2 / 3) / 2)
    assert result["notes"][0].endswith("a false alarm: fish")


@pytest.mark.parametrize("separator", [" ", "|", ";", ", "])
def test_false_alarms_do_not_hide_the_separator(tmp_path: Path, separator: str) -> None:
    truth = put(tmp_path / "t.csv", "ImageID,Labels\na,cat|dog\nb,cat\n")
    lines = [
        "ImageID,Labels",
        *(f'{name},"{separator.join(["cat", "eel", "fish"])}"' for name in "ab"),
    ]
    result = score(put(tmp_path / "x.csv", "\n".join(lines)), truth)
    assert result["notes"][0].endswith("a false alarm: eel, fish")
    assert result["samples_f1"] == pytest.approx((2 / 5 + 2 / 4) / 2)


def test_a_doubtful_separator_is_asked_for(tmp_path: Path) -> None:
    truth = put(tmp_path / "t.csv", "ImageID,Labels\na,potted plant\nb,traffic light\nc,dog\n")
    with pytest.raises(SubmissionError, match="may be one label or several"):
        score(truth, truth)
    assert score(truth, truth, label_sep="|")["macro_f1"] == 1.0
    named = score(truth, truth, labels=["dog", "potted plant", "traffic light"])
    assert named["macro_f1"] == 1.0


def test_a_table_with_captions_is_a_solution(tmp_path: Path) -> None:
    truth = put(tmp_path / "t.csv", 'ImageID,Labels,Caption\na,2 x,"say "hi" now"\nb,10,plain\n')
    found = put(tmp_path / "x.csv", "ImageID,Labels\na,2 x\nb,10\n")
    result = score(found, truth)
    assert [row["label"] for row in result["per_class"]] == ["10", "2", "x"]
    assert result["macro_f1"] == 1.0
