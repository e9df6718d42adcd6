"""The run that a command takes where none is named, and the comparisons that say which is best."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mmfeat.compare.board.keep import keep_leaderboard
from mmfeat.core.workspace import Workspace
from mmfeat.demo.made_up import make_run
from mmfeat.errors import RunError
from mmfeat.runs.listing import find_run
from mmfeat.runs.run import Run
from mmfeat.runs.winner.comparisons import read_comparisons
from tests.support.workspaces import import_split

NOISE = {"good": 0.3, "fair": 1.0, "poor": 3.0}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work")


def made(workspace: Workspace, *names: str) -> list[Run]:
    """Runs of one table that differ in an option, of different quality."""
    return [make_run(workspace, name, noise=NOISE[name], settings={"name": name}) for name in names]


def test_the_newest_is_taken_where_nothing_was_compared(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "mmfeat")
    made(workspace, "good", "poor")
    assert find_run(workspace, None).name == "poor"
    assert caplog.messages == ["run poor: the newest finished run; its table has no comparison"]


def test_the_best_of_the_last_comparison_is_taken_and_told(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "mmfeat")
    board = keep_leaderboard(workspace, made(workspace, "good", "poor"), objective="macro-f1")
    caplog.clear()
    assert find_run(workspace, None).name == "good"
    told, choice = caplog.messages
    assert choice.startswith("best of 2: ")
    assert f"macro-f1 {board.entries[0].nested:.4f}" in told and "run good" in told
    fair = made(workspace, "fair")[0]
    os.utime(fair.folder / "DONE", (2e9, 2e9))  # fitted later
    caplog.clear()
    assert find_run(workspace, None).name == "good"
    assert [r.levelname for r in caplog.records] == ["WARNING", "INFO", "INFO"]
    assert "run fair was fitted after the last comparison" in caplog.messages[0]


def test_comparisons_of_one_question_add_up_and_of_others_stay_apart(workspace: Workspace) -> None:
    good, fair, poor = made(workspace, "good", "fair", "poor")
    keep_leaderboard(workspace, [good, fair], objective="macro-f1")
    board = keep_leaderboard(workspace, [poor], objective="macro-f1")
    assert [entry.runs for entry in board.entries] == [("good",), ("fair",), ("poor",)]
    keep_leaderboard(workspace, [poor], objective="samples-f1")
    last, first = read_comparisons(workspace)
    assert (last.question.objective, last.runs) == ("samples-f1", ("poor",))
    assert first.runs == ("good", "fair", "poor")
    assert find_run(workspace, None).name == "poor"
    assert find_run(workspace, None, objective="macro-f1").name == "good"
    assert find_run(workspace, None, objective="micro-f1").name == "poor"
    assert len(list(workspace.comparisons.glob("*.csv"))) == 2


def test_two_comparisons_at_once_both_count(workspace: Workspace) -> None:
    runs = made(workspace, "good", "fair", "poor")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda run: keep_leaderboard(workspace, [run], objective="macro-f1"), runs))
    (kept,) = read_comparisons(workspace)
    assert (kept.runs, kept.number) == (("good", "fair", "poor"), 3)


def test_runs_that_were_removed_or_damaged_are_not_added(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    good, fair, poor = made(workspace, "good", "fair", "poor")
    keep_leaderboard(workspace, [good, fair, poor], objective="macro-f1")
    (good.folder / "DONE").unlink()
    assert find_run(workspace, None).name == "fair"
    (poor.folder / "metrics.json").write_text("{}")
    board = keep_leaderboard(workspace, [fair], objective="macro-f1")
    assert [entry.runs for entry in board.entries] == [("fair",)]
    assert "left out: poor" in caplog.text


def test_nothing_is_best_of_a_table_that_changed(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    runs = made(workspace, "good", "poor")
    import_split(workspace, "train")  # other rows than those of the made-up runs
    assert find_run(workspace, None).name == "poor"
    assert "was fitted on an earlier version of train" in caplog.text
    keep_leaderboard(workspace, runs, objective="macro-f1")
    with pytest.raises(RunError, match="has changed since its runs were compared"):
        find_run(workspace, None)
    assert find_run(workspace, "poor").name == "poor"


def test_a_damaged_comparison_is_one_clear_error(workspace: Workspace) -> None:
    keep_leaderboard(workspace, made(workspace, "good", "poor"), objective="macro-f1")
    (path,) = workspace.comparisons.glob("*.json")
    path.write_text(path.read_text().replace('"poor"', '"pool"'))
    with pytest.raises(RunError, match="compare` again"):
        find_run(workspace, None)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(RunError, match="compare` again"):
        find_run(workspace, None)


def test_what_is_best_by_another_objective_and_a_doubt_are_told(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    good, poor = made(workspace, "good", "poor")
    keep_leaderboard(workspace, [good, poor], objective="macro-f1")
    keep_leaderboard(workspace, [poor], objective="samples-f1")
    caplog.set_level("INFO", "mmfeat")
    assert find_run(workspace, None).name == "poor"
    assert "by macro-f1, compared earlier, good is best; name it to use it" in caplog.messages
    noise = make_run(workspace, "noise", noise=50.0)
    keep_leaderboard(workspace, [noise], objective="micro-f1")
    caplog.clear()
    assert find_run(workspace, None).name == "noise"
    (warning,) = (r.getMessage() for r in caplog.records if r.levelname == "WARNING")
    assert warning.startswith("no entry is measurably better than the same labels for every row")
