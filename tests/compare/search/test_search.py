"""`mmfeat search` as a user meets it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from mmfeat.core.files import write_json
from mmfeat.core.workspace import Workspace
from mmfeat.runs.listing import find_run
from tests.support.cells import START
from tests.support.workspaces import Mmfeat

pytest.importorskip("optuna", reason="optuna is not installed; pip install 'mmfeat[search]'")


def test_the_command(mmfeat: Mmfeat, project: Path) -> None:
    assert mmfeat("fit", "--head", "knn", "--folds", "3", "--name", "base").exit_code == 0
    first = mmfeat("search", "base", "--trials", "4", "--objective", "macro-f1")
    assert first.exit_code == 0, first.stderr
    assert first.stderr.count("macro-f1 ") == 4
    assert "optimistic by about" in first.stderr
    assert first.stdout.split()[:3] == ["trial", "nested", "macro-f1"]
    (run,) = (project / "artifacts/runs").glob("search-*")
    more = mmfeat("search", "base", "--trials", "6", "--objective", "macro-f1")
    assert "continues after 4 trials" in more.stderr
    assert more.stderr.count("trial 5 of 6") == 1
    assert mmfeat("tune-thresholds", run.name).exit_code == 0
    assert mmfeat("submit", run.name).exit_code == 0
    find_run(Workspace(project / "artifacts"), run.name, tuned=True)


@pytest.mark.parametrize(
    ("line", "status", "expected"),
    [
        ("--head knn --trials 0", 2, "--trials"),
        ("done --head mlp --seed 1", 2, "leave out --head, --seed"),
        ("done --min-positives 2 --fold-by time", 2, "leave out --min-positives, --fold-by"),
        ("--head nohead", 1, "nohead"),
        ("--head knn --exclude-labels nosuch", 1, "excluded labels must be labels"),
        ("--head knn --fold-by time", 1, "needs a column of the table"),
        ("--head knn --validation train", 1, "--validation takes another split"),
        ("--head knn --objective precision-at-least", 1, "the objectives of a search are"),
        ("--head knn --objective none", 1, "an objective is one of"),
        ("--head knn --set neighbours=0", 1, "neighbours lies between"),
        ("--head knn --set k=1", 1, "'k' is not"),
        ("--head knn --split valid", 1, "valid"),
        ("--head knn --timeout 0", 1, "a finished trial"),
        ("--head knn --name a/b", 1, "plain word"),
        ("missing", 1, "must exist"),
        ("half", 1, "only finished runs"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    mmfeat: Mmfeat, workspace: Workspace, line: str, status: int, expected: str
) -> None:
    for name in ("done", "half"):
        (workspace.runs / name).mkdir(parents=True)
        write_json(workspace.runs / name / "config.json", asdict(START))
    (workspace.runs / "done/DONE").touch()
    result = mmfeat("search", "-w", workspace.root, *line.split())
    assert result.exit_code == status, result.stderr
    assert expected in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr


def test_the_first_interrupt_ends_the_trial_and_the_same_command_goes_on(
    workspace: Workspace,
) -> None:
    command = [
        sys.executable, "-m", "mmfeat_cli", "search", "-w", str(workspace.root),
        "--head", "mlp", "--folds", "3", "--trials", "40",
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    lines = [process.stderr.readline()]
    assert lines[0].startswith("trial 1 of 40")
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    lines += process.stderr.readlines()
    assert process.wait() == 130
    assert "stopping after this trial" in "".join(lines)
    assert lines[-1] == "interrupted; run the same command again to continue\n"
    assert not list(workspace.runs.glob("*"))
    made = sum(line.startswith("trial ") for line in lines)
    assert 1 < made < 40
    again = subprocess.run(
        [*command[:-1], str(made)], capture_output=True, text=True, check=True
    ).stderr
    assert f"continues after {made} trials" in again
