"""The runs of a report: those of one question."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmfeat.compare.board.keep import keep_leaderboard
from mmfeat.core.workspace import Workspace
from mmfeat.demo.made_up import make_run
from mmfeat.report import ReportOptions, write_report
from mmfeat.report.select import select_runs
from mmfeat.runs.commands import commands_of
from mmfeat.runs.run import Run


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path)
    make_run(made, "good", noise=0.5)
    make_run(made, "fair", head="knn")
    other = make_run(made, "other-features", head="logreg")  # the newest
    edit(other, "config.json", features=["clip"])
    return made


def edit(run: Run, file: str, **changes: object) -> None:
    path = run.folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    run.finish()


def test_without_a_comparison_it_is_the_question_of_the_newest(workspace: Workspace) -> None:
    selected = select_runs(workspace)
    assert [run.name for run in selected.runs] == ["other-features"]
    assert set(selected.left_out) == {
        f"{name}: it has other features than other-features" for name in ("good", "fair")
    }


def test_it_is_the_question_of_the_last_comparison(workspace: Workspace) -> None:
    keep_leaderboard(workspace, [Run(workspace.run("fair"))], objective="samples-f1")
    selected = select_runs(workspace)
    assert {run.name for run in selected.runs} == {"good", "fair"}  # one was fitted by hand
    assert selected.objective == "samples-f1"
    path = workspace.root / "page.html"
    page = write_report(path, workspace, options=ReportOptions(plots=0))
    assert page.board.objective == "samples-f1"
    page = write_report(path, workspace, options=ReportOptions(plots=0, objective="macro-f1"))
    assert page.board.objective == "macro-f1"


def test_equal_runs_stay_in_the_order_of_the_comparison(workspace: Workspace) -> None:
    twins = [make_run(workspace, name, settings={"name": name}) for name in ("b", "a", "c")]
    board = keep_leaderboard(workspace, twins, objective="macro-f1")
    page = write_report(workspace.report, workspace, options=ReportOptions(plots=0))
    order = [entry.runs for entry in page.board.entries if entry.settings]
    assert order == [entry.runs for entry in board.entries] == [("b",), ("a",), ("c",)]


def test_many_reasons_are_cut(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(8):
        edit(make_run(workspace, f"r{number}"), "config.json", folds=10)
    write_report(workspace.report, workspace, names=(), options=ReportOptions(plots=0))
    told = [message for message in caplog.messages if message.startswith("left out: ")]
    assert len(told) < 5 and any("left out: 2 runs, e.g. " in message for message in told)


def test_a_report_changes_no_decision(workspace: Workspace) -> None:
    before = {path: path.read_bytes() for path in workspace.runs.rglob("thresholds.json")}
    write_report(workspace.report, workspace, options=ReportOptions(objective="micro-f1", plots=0))
    assert before and {path: path.read_bytes() for path in before} == before
    assert not list(workspace.runs.rglob("decisions"))


def test_the_commands_of_a_run_repeat_every_decision_the_one_in_use_last(
    workspace: Workspace,
) -> None:
    run = Run(workspace.run("good"))
    run.tune("samples-f1", method="coordinate")
    fit, first, last = commands_of(run)
    assert fit.startswith("mmfeat fit")
    assert "--objective macro-f1" in first
    assert "--objective samples-f1 --method coordinate" in last
