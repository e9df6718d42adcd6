"""The verb `tune`: arguments before the project's settings, and these before the defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmfeat.config import ThresholdSettings
from mmfeat.core.workspace import Workspace
from mmfeat.demo.made_up import make_run
from mmfeat.runs.tune import tune


def test_options_come_from_arguments_then_settings_then_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = make_run(Workspace(tmp_path / "work"), "r")
    assert tune(run).objective == ThresholdSettings().objective
    assert tune(run, objective="f-beta").options["beta"] == ThresholdSettings().beta
    (tmp_path / "mmfeat.toml").write_text('[thresholds]\nobjective = "f-beta"\nbeta = 0.5\n')
    assert tune(run).options["beta"] == 0.5
    assert tune(run, beta=3.0).options["beta"] == 3.0
    assert tune(run, objective="recall-at-least", floor=0.8).options["floor"] == 0.8
