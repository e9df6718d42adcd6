"""The seal of a run: every flipped bit is noticed, every kill is harmless."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mmfeat.config import FitSettings
from mmfeat.core.files import file_sha256
from mmfeat.core.workspace import Workspace
from mmfeat.decide.tune import tune
from mmfeat.errors import RunError
from mmfeat.fit.models.model import load_model
from mmfeat.fit.plan import plan_run
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import load_training
from mmfeat.runs import seal
from mmfeat.runs.folds.file import load_folds, save_folds
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.runs.listing import find_run, list_runs
from mmfeat.runs.run import Run
from mmfeat.types import Targets
from tests.support.files import killed_at


@pytest.fixture
def run(workspace: Workspace) -> Run:
    config = plan_run(FitSettings(head="logreg", folds=3), settings={"C": "1"})
    return fit_run(workspace, config, load_training(workspace, "train"), name="r")


def read_all(run: Run) -> list[object]:
    """Read everything that a command reads of a run."""
    found: list[object] = [run.config, run.provenance, run.metrics, run.history]
    decision = run.decision
    found += [decision, run.labels, run.oof.probabilities.tobytes(), run.oof.ids]
    held_out = run.held_out
    load_model(run)
    return [*found, None if held_out is None else held_out.tobytes()]


def flip(path: Path, at: int) -> None:
    whole = bytearray(path.read_bytes())
    whole[at % len(whole)] ^= 1 << (at % 8)
    path.write_bytes(whole)


def test_a_flipped_bit_anywhere_is_one_clear_error(run: Run) -> None:
    run.write_decision(tune(run.oof))
    read_all(run)
    files = [path for path in sorted(run.folder.rglob("*")) if path.is_file()]
    names = {path.relative_to(run.folder).as_posix() for path in files}
    assert {"thresholds.json", "scores.h5", "config.json", "DONE", "head/model.json"} <= names
    rng = np.random.default_rng(0)
    for path in files:
        whole = path.read_bytes()
        for at in rng.integers(0, len(whole), 6).tolist():
            flip(path, at)
            with pytest.raises(RunError, match=r"(?s)(fit the run again|tune-thresholds` again)"):
                read_all(run)
            path.write_bytes(whole)
    read_all(run)


def test_files_that_are_missing_or_were_added_are_named(run: Run) -> None:
    (run.folder / "head" / "0" / "extra.json").write_text("{}")
    with pytest.raises(RunError, match=r"extra\.json"):
        load_model(run)
    shutil.rmtree(run.folder / "head")
    with pytest.raises(RunError, match=r"head"):
        load_model(run)


def test_an_empty_seal_is_refused(run: Run) -> None:
    (run.folder / "DONE").write_text("")
    with pytest.raises(RunError, match="fit the run again"):
        _ = run.oof


def bytes_of(sets: Targets | None) -> bytes:
    assert sets is not None
    return sets.tobytes()


@pytest.mark.parametrize("step", range(1, 12))
def test_a_kill_between_any_two_steps_of_a_decision_leaves_one_that_is_whole(
    run: Run, step: int
) -> None:
    scores = run.oof
    first = tune(scores, objective="macro-f1", method="exact")
    second = tune(scores, objective="micro-f1", method="global")
    run.write_decision(first)
    with killed_at(step):
        run.write_decision(second)
    found = run.decision
    assert found.to_json() in (first.to_json(), second.to_json())
    held_out = run.held_out
    expected = first.held_out if found.objective == "macro-f1" else second.held_out
    assert held_out is None or held_out.tobytes() == bytes_of(expected)
    run.write_decision(second)
    assert run.decision.to_json() == second.to_json()
    assert bytes_of(run.held_out) == bytes_of(second.held_out)


def test_a_decision_leaves_the_order_of_runs_as_it_was(workspace: Workspace, run: Run) -> None:
    config = plan_run(FitSettings(head="knn", folds=3))
    newer = fit_run(workspace, config, load_training(workspace, "train"))
    run.write_decision(tune(run.oof))
    assert [found.name for found in list_runs(workspace)] == [newer.name, run.name]
    assert find_run(workspace, None).name == newer.name
    fit_run(workspace, run.config, load_training(workspace, "train"), name="r")
    assert find_run(workspace, None).name == run.name


def test_seals_accept_two_sums_only_while_a_file_changes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    seal.seal(tmp_path)
    (tmp_path / "new").write_text("new")
    seal.accept(tmp_path, "a", file_sha256(tmp_path / "new"))
    seal.verify(tmp_path, "a")
    (tmp_path / "a").write_text("new")
    seal.verify(tmp_path, "a")
    seal.settle(tmp_path, ["a"])
    (tmp_path / "a").write_text("old")
    with pytest.raises(RunError, match="sha256"):
        seal.verify(tmp_path, "a")


def test_a_flipped_bit_of_shared_folds_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "folds.json"
    folds = make_folds(np.eye(20, 3, dtype=np.uint8), n_folds=3, seed=0)
    save_folds(path, folds)
    assert np.array_equal(load_folds(path), folds)
    text = path.read_text()
    path.write_text(text.replace("0,", "1,", 1))
    with pytest.raises(RunError, match="remove the file"):
        load_folds(path)
