"""The page as text: its numbers, its commands, what it leaves out, and that it needs no network."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mmfeat.core.workspace import Workspace
from mmfeat.demo.made_up import make_run
from mmfeat.errors import RunError
from mmfeat.report import ReportOptions, write_report
from mmfeat.report.plots import PLOTS
from mmfeat.report.select import select_runs
from mmfeat.runs.commands import commands_of
from mmfeat.runs.listing import find_run
from tests.support.workspaces import Mmfeat

OPTIONS = ReportOptions(objective="macro-f1", plots=1)


class Elements(HTMLParser):
    """Every start tag of a page with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Three runs: one tuned for macro-F1, one for samples-F1, one not tuned."""
    made = Workspace(tmp_path / "project" / "work")
    make_run(made, "good", noise=0.6)
    make_run(made, "fair", noise=1.0, objective="samples-f1", settings={"dropout": "0.5"})
    make_run(made, "poor", noise=3.0, objective=None, head="knn")
    return made


def page_of(workspace: Workspace) -> str:
    return workspace.report.read_text(encoding="utf-8")


def test_every_number_of_a_run_stands_in_its_files(workspace: Workspace) -> None:
    write_report(workspace.report, workspace, options=OPTIONS)
    told = [
        (attributes["value"], attributes["data-json"])
        for tag, attributes in Elements(page_of(workspace)).found
        if tag == "data" and attributes.get("data-json")
    ]
    assert len(told) > 50
    for value, where in told:
        assert where is not None
        run, file, *path = where.split("/")
        part: Any = json.loads((workspace.run(run) / file).read_text())
        for key in path:
            part = part[int(key) if isinstance(part, list) else key]
        assert value == ("" if part is None else repr(part))


def test_the_leaderboard_is_that_of_the_library(workspace: Workspace) -> None:
    page = write_report(workspace.report, workspace, options=OPTIONS)
    names = [entry.runs for entry in page.board.entries]
    assert names == [("good",), ("fair",), ("poor",)]
    text = page_of(workspace)
    for entry in page.board.entries:
        for number in (entry.nested, *entry.interval, entry.at_half, entry.tuned, entry.difference):
            assert f'value="{number!r}"' in text
    assert page.board.verdict()[1:] in text
    choice, same = page.board.choice, page.board.same_labels
    assert choice is not None and same is not None
    assert f'reach macro-f1 <strong><data value="{choice.expected!r}"' in text
    assert f"{same.value:.4f}" in text and "tiny-demo is a toy" not in text


def test_nothing_on_the_page_has_an_address(workspace: Workspace) -> None:
    write_report(workspace.report, workspace, options=OPTIONS)
    text = page_of(workspace)
    for _, attributes in Elements(text).found:
        for name in ("src", "href", "xlink:href", "action", "srcset", "data"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert not re.findall(r"https?:|url\((?!#)|@import", text)


def test_only_the_best_have_plots(workspace: Workspace, tmp_path: Path) -> None:
    options = ReportOptions(objective="macro-f1", plots=1, figures=tmp_path / "figures")
    page = write_report(workspace.report, workspace, options=options)
    assert [len(each.drawings) for each in page.entries] == [len(PLOTS), 0, 0]
    assert "The best 1 have plots" in page_of(workspace)
    written = {
        path.relative_to(tmp_path / "figures").as_posix()
        for path in (tmp_path / "figures").rglob("*.*")
    }
    assert written == {f"good/{name}.{suffix}" for name in PLOTS for suffix in ("svg", "png")}


def test_runs_that_cannot_be_compared_are_left_out_and_told(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    make_run(workspace, "older-table", n_rows=30)
    (make_run(workspace, "broken").folder / "metrics.json").write_text("{")
    (make_run(workspace, "unfinished").folder / "DONE").unlink()
    find_run(workspace, "good").touch()  # the newest again
    page = write_report(workspace.report, workspace, options=OPTIONS)
    assert {reason.partition(":")[0] for reason in page.left_out} == {
        "older-table",
        "broken",
        "unfinished",
    }
    assert all(reason in caplog.text for reason in page.left_out)
    assert "older-table" in page_of(workspace)
    with pytest.raises(RunError, match=r"intact metrics\.json"):
        write_report(workspace.report, workspace, names=["good", "broken"], options=OPTIONS)
    with pytest.raises(RunError, match="same rows"):
        write_report(workspace.report, workspace, names=["good", "older-table"], options=OPTIONS)


@pytest.mark.parametrize("file", ["metrics.json", "thresholds.json", "history.json"])
@pytest.mark.parametrize(
    "edit", ["{", "[]", "{}", '{"oof": 1}', '{"concat": 1}', '{"concat": [{"train": "x"}]}']
)
def test_broken_files_end_in_one_clear_error(workspace: Workspace, file: str, edit: str) -> None:
    (workspace.run("good") / file).write_text(edit)
    find_run(workspace, "good").finish()  # sealed as it is: the parser has to find it
    if file == "history.json" and edit == "{}":  # a head without epochs
        write_report(workspace.report, workspace, names=["good"], options=OPTIONS)
    else:
        with pytest.raises(RunError):
            write_report(workspace.report, workspace, names=["good"], options=OPTIONS)
    if file != "history.json":
        assert [reason.partition(":")[0] for reason in select_runs(workspace).left_out] == ["good"]


def test_without_runs_there_is_no_report(tmp_path: Path) -> None:
    empty = Workspace(tmp_path / "empty")
    with pytest.raises(RunError, match="mmfeat compare"):
        write_report(empty.report, empty, options=OPTIONS)
    assert not empty.report.exists()


def test_commands_repeat_a_run(project: Path, mmfeat: Mmfeat) -> None:
    options = ["--head", "mlp", "--set", "epochs=2", "--set", "hidden=8", "--folds", "3"]
    assert mmfeat("fit", *options, "--name", "two words").exit_code == 0
    assert mmfeat("tune-thresholds", "two words", "--objective", "micro-f1").exit_code == 0
    workspace = Workspace(project / "artifacts")
    run = find_run(workspace, "two words")
    config, decision = run.config, run.decision
    commands = [shlex.split(line) for line in commands_of(run)]
    assert [words[:2] for words in commands] == [["mmfeat", "fit"], ["mmfeat", "tune-thresholds"]]
    (run.folder / "DONE").unlink()
    for words in commands:
        assert mmfeat(*words[1:]).exit_code == 0
    assert run.config == config
    assert replace(run.decision, notes=()) == replace(decision, notes=())


def test_the_command_writes_page_and_figures(project: Path, mmfeat: Mmfeat) -> None:
    assert mmfeat("report").exit_code == 1
    assert mmfeat("fit", "--head", "knn", "--folds", "3").exit_code == 0
    result = mmfeat("report", "--out", "page.html", "--figures", "figures", "--plots", "1")
    assert (result.exit_code, result.stdout) == (0, "page.html\n")
    text = Path("page.html").read_text()
    assert "</html>" in text and "tiny-demo is a toy" in text
    assert len(list(Path("figures").rglob("*.svg"))) == len(PLOTS) - 2  # not tuned, no epochs
    assert mmfeat("report", "nosuch").stderr.startswith("error: the run 'nosuch' must exist")
