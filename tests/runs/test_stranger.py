"""A run of a stranger reads nothing outside its folder, runs nothing and never hangs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import h5py
import pytest

from mmfeat.config import FitSettings
from mmfeat.core.workspace import Workspace
from mmfeat.errors import MmfeatError, RunError
from mmfeat.fit.models.model import load_model
from mmfeat.fit.plan import plan_run
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import load_training
from mmfeat.runs.listing import list_runs
from mmfeat.runs.run import Run
from mmfeat.runs.winner.ranking import summarise_run


@pytest.fixture
def run(workspace: Workspace) -> Run:
    config = plan_run(FitSettings(head="knn", folds=3))
    return fit_run(workspace, config, load_training(workspace, "train"))


def read_all(run: Run) -> None:
    assert run.config and run.metrics and run.decision and run.oof
    load_model(run)


@pytest.mark.parametrize("name", ["config.json", "scores.h5", "head/model.json", "metrics.json"])
@pytest.mark.parametrize("kind", ["pipe", "zeros", "link", "folder", "nested"])
def test_what_is_no_plain_file_of_the_folder_is_refused(
    run: Run, workspace: Workspace, tmp_path: Path, name: str, kind: str
) -> None:
    path = run.folder / name
    copy = tmp_path / "copy"
    shutil.copy(path, copy)
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "zeros":
        path.symlink_to("/dev/zero")
    elif kind == "link":
        path.symlink_to(copy)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text("[" * 100_000)
        run.finish()  # the stranger seals it anew
    with pytest.raises(MmfeatError, match=path.name):
        read_all(run)
    assert [summarise_run(each)["run"] for each in list_runs(workspace)] in ([run.name], [])


def test_scores_are_read_from_no_other_file(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"root:x:0:0" * 30)
    with h5py.File(run.folder / "scores.h5", "a") as file:
        del file["labels"]
        file.create_dataset("labels", shape=(3,), dtype="S10", external=[(secret, 0, 30)])
    with pytest.raises(RunError, match="sha256 differs"):
        _ = run.labels
    run.finish()
    with pytest.raises(RunError, match="not stored plainly inside the file"):
        _ = run.labels
