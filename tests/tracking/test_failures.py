"""A client that fails is one error, harms no run, and tells no secret."""

from __future__ import annotations

import pytest

from mmfeat.config import FitSettings
from mmfeat.core.workspace import Workspace
from mmfeat.errors import PluginError
from mmfeat.fit.plan import plan_run
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import load_training
from mmfeat.runs.run import Run
from mmfeat.tracking import Tracker


@pytest.fixture
def run(workspace: Workspace) -> Run:
    return fit_run(
        workspace, plan_run(FitSettings(head="knn", folds=3)), load_training(workspace, "train")
    )


def test_a_client_that_fails_is_one_error_and_harms_no_run(
    run: Run, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> str:
        raise ValueError("no such server")

    monkeypatch.setattr("mmfeat.tracking.resolve", lambda *_: failing)
    with pytest.raises(PluginError, match="ValueError: no such server"):
        Tracker("mlflow", workspace).track(run)
    assert run.is_done


def test_no_secret_of_a_tracker_is_told(
    run: Run, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> str:
        raise ValueError("http://me:one@there/x and 'https://you:t@w:o@here' refuse three")

    monkeypatch.setattr("mmfeat.tracking.resolve", lambda *_: failing)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "three")
    with pytest.raises(PluginError) as raised:
        Tracker("mlflow", workspace).track(run)
    assert "http://…@there/x and 'https://…@here' refuse …" in str(raised.value)
