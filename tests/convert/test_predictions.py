"""Predictions in the layouts that Label Studio and FiftyOne document."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import mmfeat
from mmfeat.convert.predictions import WRITERS, check_annotations, write_annotations
from mmfeat.errors import ConfigError
from mmfeat.types import Predictions

PROBABILITIES = np.array([[0.5, 0.9], [0.1, 0.2]], dtype=np.float32)
SCORES = Predictions(ids=("7", "8"), labels=("a", 'b "c"'), probabilities=PROBABILITIES)
SETS = np.array([[1, 1], [0, 0]], dtype=np.uint8)


def written(path: Path, format: str) -> object:
    pictures = ("x/a b.jpg", "")
    write_annotations(path, format, scores=SCORES, label_sets=SETS, pictures=pictures, model="m")
    return json.loads(path.read_text())


def test_label_studio_imports_tasks_with_predictions(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    first, second = json.loads(json.dumps(written(path, "label-studio")))
    assert first["data"] == {"image": "/data/local-files/?d=x/a%20b.jpg", "id": "7"}
    (prediction,) = first["predictions"]
    assert prediction["model_version"] == "m" and prediction["score"] == 0.5
    assert prediction["result"] == [
        {
            "from_name": "choice",
            "to_name": "image",
            "type": "choices",
            "value": {"choices": ['b "c"', "a"]},
        }
    ]
    assert second["predictions"] == [{"model_version": "m", "result": []}]
    back = mmfeat.convert(path, tmp_path / "back")
    assert back.splits == {"train": 2} and back.labels == ()  # predictions are no annotations
    assert "x/a b.jpg" in (tmp_path / "back" / "train.csv").read_text()


def test_fiftyone_reads_labels_by_path(tmp_path: Path) -> None:
    found = written(tmp_path / "out.json", "fiftyone")
    confidence = pytest.approx(0.9)
    sure, half = {"label": 'b "c"', "confidence": confidence}, {"label": "a", "confidence": 0.5}
    assert found == {"labels": {"x/a b": [sure, half], "8": []}}


@pytest.mark.parametrize("format", WRITERS)
def test_what_does_not_go_with_a_format(format: str) -> None:
    with pytest.raises(ConfigError, match=r"\.json files"):
        check_annotations(Path("x.csv"), format, top=None)
    with pytest.raises(ConfigError, match="--top"):
        check_annotations(Path("x.json"), format, top=3)
    with pytest.raises(ConfigError, match="--format"):
        check_annotations(Path("x.json"), f"{format}s", top=None)
