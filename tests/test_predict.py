from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmfeat.config import FitSettings
from mmfeat.errors import ConfigError, RunError
from mmfeat.fit import fit, load_training, plan_run
from mmfeat.predict import predict_scores, read_statuses, write_predictions
from mmfeat.runs import Run
from mmfeat.tune import tune
from mmfeat.workspace import Workspace
from tests.conftest import import_split


@pytest.fixture
def run(workspace: Workspace) -> Run:
    config = plan_run(FitSettings(head="logreg", folds=3))
    return fit(workspace, config, load_training(workspace, "train"))


def test_new_rows_are_scored_by_the_final_model(workspace: Workspace, run: Run) -> None:
    scores = predict_scores(run, workspace, "test")
    assert scores.ids[:2] == ("test0.jpg", "test1.jpg")
    assert scores.labels == ("l0", "l1", "l2")
    assert scores.probabilities.shape == (20, 3)
    assert scores.probabilities.dtype == np.float32
    assert ((scores.probabilities >= 0) & (scores.probabilities <= 1)).all()


def test_another_encoder_is_refused(workspace: Workspace, run: Run) -> None:
    import_split(workspace, "other", encoder="another")
    with pytest.raises(RunError, match=r"encoder it was fitted on.*another"):
        predict_scores(run, workspace, "other")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_format_holds_the_same(
    workspace: Workspace, run: Run, tmp_path: Path, suffix: str
) -> None:
    run.write_decision(tune(run.scores(), objective="macro-f1"))
    scores = predict_scores(run, workspace, "test")
    statuses = read_statuses(run, workspace, "test")
    path = tmp_path / f"out{suffix}"
    write_predictions(path, scores, run.decision(), empty="top1", statuses=statuses)
    reader = {
        ".csv": pd.read_csv,
        ".tsv": lambda p: pd.read_csv(p, sep="\t"),
        ".jsonl": lambda p: pd.read_json(p, lines=True),
        ".parquet": pd.read_parquet,
    }[suffix]
    frame = reader(path)
    assert list(frame["id"]) == list(scores.ids)
    assert set(frame["image_status"]) == {"ok"}
    np.testing.assert_allclose(frame[["l0", "l1", "l2"]], scores.probabilities, atol=1e-6)
    decided = run.decision().decide(scores.probabilities, empty="top1")
    for text, row in zip(frame["labels"], decided, strict=True):
        assert text.split() == [f"l{j}" for j in np.flatnonzero(row)]


def test_an_unknown_format_is_one_clear_error(
    workspace: Workspace, run: Run, tmp_path: Path
) -> None:
    scores = predict_scores(run, workspace, "test")
    with pytest.raises(ConfigError, match=r"\.csv"):
        write_predictions(tmp_path / "out.xlsx", scores, run.decision(), empty="top1")
    assert not list(tmp_path.glob("out*"))
