"""The file of a study: taken up again, held by one search, refused where it is broken."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import pytest

from mmfeat.core.workspace import Workspace
from mmfeat.errors import ConfigError, RunError
from mmfeat.fit.training_data import Training
from tests.support.cells import START, plan

pytest.importorskip("optuna", reason="optuna is not installed; pip install 'mmfeat[search]'")

from mmfeat.compare.search.study import open_study
from mmfeat.compare.search.trials import plan_search, run_trials


def test_a_search_of_another_kind_does_not_take_the_name(
    workspace: Workspace, training: Training
) -> None:
    run_trials(workspace, plan(), training, trials=1, name="mine")
    other = plan_search(START, objective="micro-f1")
    with pytest.raises(RunError, match="another --name"):
        run_trials(workspace, other, training, trials=1, name="mine")
    with pytest.raises(ConfigError, match="plain word"):
        run_trials(workspace, plan(), training, trials=1, name="../mine")


def test_two_searches_at_once_on_one_study_are_refused(
    workspace: Workspace, training: Training
) -> None:
    def other() -> bool:
        with pytest.raises(RunError, match=f"the process {os.getpid()}"):
            run_trials(workspace, plan(), training, trials=1, name="mine")
        return True

    assert run_trials(workspace, plan(), training, trials=1, name="mine", stopped=other) == []
    assert len(run_trials(workspace, plan(), training, trials=1, name="mine")) == 1


def test_a_broken_or_locked_file_is_one_clear_error(
    workspace: Workspace, training: Training
) -> None:
    path = workspace.search("mine")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(RunError, match=r"mine\.db: file is not a database"):
        run_trials(workspace, plan(), training, trials=1, name="mine")
    path.unlink()
    run_trials(workspace, plan(), training, trials=1, name="mine")
    blocker = sqlite3.connect(path)
    blocker.execute("BEGIN EXCLUSIVE")
    with (
        pytest.raises(RunError, match="database is locked"),
        open_study(path, plan().identity(training.digest), lock_seconds=0.1),
    ):
        pass
    blocker.close()
    assert len(run_trials(workspace, plan(), training, trials=2, name="mine")) == 2
    with sqlite3.connect(path) as other:
        other.execute("UPDATE alembic_version SET version_num = 'v9.9.a'")
    with pytest.raises(RunError, match=r"mine\.db"):
        run_trials(workspace, plan(), training, trials=2, name="mine")


def test_a_missing_optuna_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['optuna'] = None\n"
        "from mmfeat.errors import PluginError\n"
        "try:\n    import mmfeat.compare.search.trials\n"
        "except PluginError as error:\n    print(error)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "pip install 'mmfeat[search]'" in answer.stdout
