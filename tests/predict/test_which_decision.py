"""Which run and which decision predict and submit use, and that they say so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import mmfeat
from mmfeat.config import FitSettings
from mmfeat.core.workspace import Workspace
from mmfeat.errors import PluginError, RunError
from mmfeat.fit.plan import plan_run
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import load_training
from mmfeat.runs.run import Run


@pytest.fixture
def run(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("MMFEAT_WORKSPACE", str(workspace.root))
    config = plan_run(FitSettings(head="logreg", folds=3))
    return fit_run(workspace, config, load_training(workspace, "train"), name="r")


def test_a_run_that_was_not_tuned_is_decided_at_half_and_says_so(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "mmfeat")
    found = mmfeat.predict(split="test", empty="blank")
    assert "predicting test with r, decided by 0.5 for every label, not tuned" in caplog.messages
    expected = found.predictions.probabilities >= 0.5
    assert (found.label_sets == expected).all()


def test_the_decision_that_is_asked_for_is_used_and_named(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "mmfeat")
    run.tune("recall-at-least", floor=0.999)
    run.tune("macro-f1", method="exact")

    def predicted(objective: str | None) -> tuple[int, str]:
        caplog.clear()
        result = mmfeat.predict(split="test", objective=objective, empty="blank")
        said = next(m for m in caplog.messages if m.startswith("predicting"))
        caplog.clear()
        mmfeat.submit(split="test", objective=objective, out=tmp_path / "s.csv", empty="blank")
        assert said in caplog.messages
        return int(result.label_sets.sum()), said

    used, told = predicted(None)
    assert told.endswith("thresholds by exact, for macro-f1")
    assert predicted("macro-f1") == (used, told)
    many, told = predicted("recall-at-least")
    assert many > used and told.endswith("for recall-at-least")
    half, told = predicted("none")
    assert told.endswith("0.5 for every label, not tuned") and half != many
    with pytest.raises(RunError, match="tune-thresholds r --objective samples-f1"):
        mmfeat.predict(split="test", objective="samples-f1")
    with pytest.raises(PluginError, match="an objective is one of"):
        mmfeat.predict(split="test", objective="best")


def test_the_number_of_labels_per_row_is_told_and_warned_of_where_it_is_far_from_that_of_train(
    run: Run, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level("INFO", "mmfeat")
    mmfeat.predict(split="test", objective="none")
    assert any("labels per row, " in message for message in caplog.messages)
    decision = run.tune("macro-f1", method="exact")
    run.write_decision(replace(decision, thresholds=(0.0, 0.0, 0.0)))
    mmfeat.predict(split="test")
    (told,) = (record for record in caplog.records if "but" in record.getMessage())
    assert told.levelname == "WARNING"
    assert told.getMessage().startswith("3.0 labels per row, but 1.")
    assert "macro-f1 is generous with rare labels; for tags" in told.getMessage()
    bundle = run.export(tmp_path / "bundle")
    caplog.clear()
    mmfeat.predict(str(bundle), split="test")
    assert told.getMessage() in caplog.messages  # without the run, which it does not need
