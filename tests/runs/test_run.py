from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mmfeat.core.files import write_json
from mmfeat.core.workspace import Workspace
from mmfeat.errors import ConfigError, RunError
from mmfeat.runs.bundle import find_predictor
from mmfeat.runs.config import RunConfig
from mmfeat.runs.listing import find_run, list_runs
from mmfeat.runs.run import Run
from mmfeat.runs.scores import read_scores, write_scores
from mmfeat.types import IntArray, OutOfFold

CONFIG: dict[str, Any] = {
    "split": "train",
    "head": "knn",
    "fusion": "concat",
    "loss": None,
    "folds": 5,
    "seed": 0,
}


def make_run(workspace: Workspace, name: str, *, done: bool = True, tuned: bool = False) -> Run:
    run = Run(workspace.run(name))
    write_json(run.folder / "config.json", CONFIG)
    if tuned:
        write_json(run.folder / "thresholds.json", {})
    if done:
        run.finish()
    return run


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work")


@pytest.mark.parametrize("groups", [None, np.array([4, 4])])
@pytest.mark.parametrize("ids", [("a", "ß"), ("", ""), ("a\0b", "long"), ("x", "")])
def test_scores_come_back_as_they_were(
    tmp_path: Path, ids: tuple[str, ...], groups: IntArray | None
) -> None:
    rng = np.random.default_rng(0)
    scores = OutOfFold(
        ids=ids,
        labels=("x", "y", "z"),
        probabilities=rng.random((2, 3)).astype(np.float32),
        targets=np.array([[0, 1, 0], [1, 1, 0]], np.uint8),
        folds=np.array([1, 0]),
        groups=groups,
    )
    write_scores(tmp_path / "scores.h5", scores)
    back = read_scores(tmp_path / "scores.h5")
    assert (back.ids, back.labels) == (scores.ids, scores.labels)
    for name in ("probabilities", "targets", "folds", "groups"):
        np.testing.assert_array_equal(getattr(back, name), getattr(scores, name))
    write_scores(tmp_path / "again.h5", back)
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "scores.h5").read_bytes()
    with h5py.File(tmp_path / "scores.h5") as file:
        assert tuple(file["ids"].asstr()[:]) == ids


def test_broken_scores_are_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "scores.h5").write_text("no HDF5")
    with pytest.raises(RunError, match="fit the run again"):
        read_scores(tmp_path / "scores.h5")


def test_a_config_comes_back_as_it_was(workspace: Workspace) -> None:
    config = RunConfig(**CONFIG, features=("a", "b"), settings={"k": "3"})
    run = Run(workspace.run("r"))
    write_json(run.folder / "config.json", vars(config))
    assert run.config == config
    assert config.name("digest") == config.name("digest") != config.name("other")


def test_the_newest_finished_run_is_found(workspace: Workspace) -> None:
    make_run(workspace, "first", tuned=True)
    make_run(workspace, "second")
    make_run(workspace, "third", done=False)
    assert find_run(workspace, None).name == "second"
    assert find_run(workspace, None, tuned=True).name == "first"
    assert [run.name for run in list_runs(workspace)] == ["second", "first", "third"]


def test_what_is_missing_is_named(workspace: Workspace) -> None:
    with pytest.raises(RunError, match="mmfeat compare"):
        find_run(workspace, None)
    make_run(workspace, "whole")
    make_run(workspace, "half", done=False)
    with pytest.raises(RunError, match="tune-thresholds"):
        find_run(workspace, None, tuned=True)
    with pytest.raises(RunError, match="tune-thresholds"):
        find_run(workspace, "whole", tuned=True)
    with pytest.raises(RunError, match="DONE"):
        find_run(workspace, "half")
    with pytest.raises(RunError, match="whole"):
        find_run(workspace, "other")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "nul\0"])
def test_a_run_stays_in_its_folder(workspace: Workspace, name: str) -> None:
    with pytest.raises(ConfigError, match="plain word"):
        workspace.run(name)


@pytest.mark.parametrize("text", ["{", json.dumps({"head": "knn", "unknown": 1})])
def test_a_broken_config_is_one_clear_error(workspace: Workspace, text: str) -> None:
    run = make_run(workspace, "r")
    (run.folder / "config.json").write_text(text)
    with pytest.raises(RunError, match=r"config\.json"):
        print(run.config)


def test_a_path_to_nothing_is_no_bundle(workspace: Workspace) -> None:
    with pytest.raises(RunError, match="dist/best is not there"):
        find_predictor(workspace, "dist/best")
    with pytest.raises(RunError, match=r"runs holds none; run `mmfeat extract`"):
        find_predictor(workspace, "best")
    with pytest.raises(RunError, match="name the folder of a bundle"):
        find_predictor(workspace, None)
