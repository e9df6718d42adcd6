"""The same fit twice, after a kill, or over a damaged run: the run is whole in the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mmfeat.config import FitSettings
from mmfeat.core.workspace import Workspace
from mmfeat.errors import MmfeatError, RunError
from mmfeat.fit.models.model import load_model
from mmfeat.fit.plan import plan_run
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import load_training
from mmfeat.runs.run import Run

HOLD = """
import sys
from pathlib import Path
from mmfeat.runs.run import Run

with Run(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.readline()
"""


def fit(
    workspace: Workspace, *, head: str = "logreg", fusion: str = "concat", folds: int = 3
) -> Run:
    config = plan_run(FitSettings(head=head, fusion=fusion, folds=folds))
    return fit_run(workspace, config, load_training(workspace, "train"), name="r")


def hold(run: Run) -> subprocess.Popen[str]:
    """Start a process that holds the lock of the run until it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_second_fit_waits_for_the_first(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    process = hold(Run(workspace.run("r")))
    with ThreadPoolExecutor(1) as pool:
        fitting = pool.submit(fit, workspace)
        while f"waiting for process {process.pid}" not in caplog.messages:
            assert not fitting.done()
            time.sleep(0.01)
        process.communicate("go on\n")
        assert fitting.result().is_done


def test_a_fit_does_not_wait_for_a_process_that_is_stopped(workspace: Workspace) -> None:
    process = hold(Run(workspace.run("r")))
    try:
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(0.1)
        with pytest.raises(RunError, match=f"process {process.pid} is writing"):
            fit(workspace)
    finally:
        process.kill()
        process.wait()
    assert fit(workspace).is_done


@pytest.mark.parametrize("name", ["head/0/concat/weights.safetensors", "scores.h5", "DONE"])
def test_the_same_fit_mends_a_damaged_run(
    workspace: Workspace, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    run = fit(workspace)
    whole = {path: path.read_bytes() for path in run.folder.rglob("*.*") if path.is_file()}
    path = run.folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    caplog.clear()
    assert fit(workspace).is_done
    assert any("it is fitted again" in message for message in caplog.messages)
    load_model(run)
    for path, before in whole.items():
        if path.name != "metrics.json":  # which has seconds
            assert path.read_bytes() == before, path
    caplog.clear()
    fit(workspace)
    assert not any("fitted again" in message for message in caplog.messages)


@pytest.mark.parametrize(
    "options", [{"folds": 1_000}, {"head": "zeroshot", "fusion": "image"}], ids=["folds", "prompts"]
)
def test_a_fit_that_is_refused_leaves_no_run(workspace: Workspace, options: Any) -> None:
    with pytest.raises(MmfeatError):
        fit(workspace, **options)
    assert not workspace.run("r").exists()


def test_what_a_killed_fit_left_is_removed(workspace: Workspace) -> None:
    run = Run(workspace.run("r"))
    run.folder.mkdir(parents=True)
    (run.folder / ".scores.h5.somewhere.1.tmp").write_text("half")
    fit(workspace)
    (run.folder / "folds").mkdir()
    fit(workspace)
    assert not (run.folder / "folds").exists()
    assert not list(workspace.runs.rglob(".*"))
