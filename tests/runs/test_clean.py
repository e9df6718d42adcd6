"""What `clean` removes, and what it never touches."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mmfeat.core.files import HOST
from mmfeat.core.lock import locked
from mmfeat.core.workspace import Workspace
from mmfeat.demo.made_up import make_run
from mmfeat.extract.lock import sole_writer
from mmfeat.runs.upkeep.clean import clean
from tests.support.workspaces import Mmfeat


def dead_process() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path)
    make_run(made, "whole")
    (make_run(made, "half").folder / "DONE").unlink()
    return made


def names(workspace: Workspace) -> set[str]:
    return {p.relative_to(workspace.root).as_posix() for p in workspace.root.rglob("*")}


def test_what_the_dead_left_is_removed_and_nothing_else(workspace: Workspace) -> None:
    (workspace.root / "poetry.lock").write_text("the user's")
    before = names(workspace)
    dead = dead_process()
    left = [
        workspace.root / f"features/.train.h5.{HOST}.{dead}.tmp",
        workspace.runs / f"whole/.scores.h5.{HOST}.{dead}.tmp",
        workspace.runs / f".gone.{HOST}.{dead}.tmp/config.json",
        workspace.runs / "whole/folds/image/0/head.json",
        workspace.cache / "predictions/a.h5",
        workspace.runs / ".whole.lock",
    ]
    kept = [
        workspace.root / f"features/.train.h5.{HOST}.{os.getpid()}.tmp",
        workspace.root / f"features/.train.h5.elsewhere.{dead}.tmp",
        workspace.runs / "half/folds/image/0/head.json",
    ]
    for path in (*left, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("0123456789")
    result = clean(workspace=workspace.root)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)
    assert before <= names(workspace)
    assert result.n_bytes >= 50
    assert clean(workspace=workspace.root).removed == {}


def test_unfinished_runs_are_removed_on_request_alone(workspace: Workspace, mmfeat: Mmfeat) -> None:
    assert mmfeat("clean", "-w", workspace.root).exit_code == 0
    assert (workspace.runs / "half").exists()
    assert "runs/half" in mmfeat("clean", "--unfinished", "-w", workspace.root).stdout
    assert {path.name for path in workspace.runs.iterdir()} == {"whole"}


def test_interrupted_extractions_are_removed_on_request_alone(
    tmp_path: Path, mmfeat: Mmfeat
) -> None:
    features = tmp_path / "features"
    shards = {
        features / "train.h5.parts/00000.h5",
        features / "siglip/test.h5.parts/00000.h5",
        features / ".old.new-image.h5.parts/00000.h5",
        features / ".old.new-text.h5",
        features / "many.h5.new/part-00000.h5",
    }
    stores = {features / "train.h5", features / "old.h5", features / "parts.h5"}
    for path in shards | stores:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("0123456789")
    result = clean(workspace=tmp_path)
    assert not result.removed and len(result.unfinished) == len(shards)
    said = mmfeat("clean", "-w", tmp_path).stderr
    assert "kept 5 unfinished runs or extractions" in said and "--unfinished" in said
    with sole_writer(features / "train.h5"), locked(features / "siglip/test.h5.parts/00000.claim"):
        result = clean(unfinished=True, workspace=tmp_path)
    living = {features / "train.h5.parts/00000.h5", features / "siglip/test.h5.parts/00000.h5"}
    assert {path for path in shards if path.exists()} == living
    assert len(clean(unfinished=True, workspace=tmp_path).removed) == len(living)
    assert {path for path in features.rglob("*") if path.is_file()} == stores


def test_an_empty_workspace_is_clean(tmp_path: Path) -> None:
    assert clean(workspace=tmp_path / "nothing").removed == {}
