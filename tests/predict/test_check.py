from __future__ import annotations

from pathlib import Path

import pytest

from mmfeat.errors import SubmissionError
from mmfeat.predict import check_submission
from tests.support.files import put

LABELS = ("1", "2", "10")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ImageID,Labels\na.jpg,1\nb.jpg,2\n", "lacks"),
        ("ImageID,Labels\na.jpg,1\nb.jpg,2\nc.jpg,3\n", "has 3"),
        ("ImageID,Labels\na.jpg,1 1\nb.jpg,2\nc.jpg,2\n", "row 2: '1 1'"),
        ("ImageID,labels\na.jpg,1\nb.jpg,2\nc.jpg,1\n", "labels"),
    ],
)
def test_check_finds_what_kaggle_would_refuse(tmp_path: Path, text: str, found: str) -> None:
    sample = put(tmp_path / "s.csv", "ImageID,Labels\na.jpg,1\nb.jpg,1\nc.jpg,1\n")
    with pytest.raises(SubmissionError, match=found):
        check_submission(put(tmp_path / "x.csv", text), sample, labels=LABELS)


def test_check_tells_another_order(tmp_path: Path) -> None:
    sample = put(tmp_path / "s.csv", "ImageID,Labels\na.jpg,1\nb.jpg,1\n")
    found = put(tmp_path / "x.csv", "ImageID,Labels\nb.jpg,1\na.jpg,\n")
    report = check_submission(found, sample)
    assert report.empty == 1 and "order" in str(report)
