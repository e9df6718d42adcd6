"""Control characters of a user's files are shown; no encoding ends in a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmfeat.core.workspace import Workspace
from mmfeat.demo.made_up import make_run
from mmfeat_cli.terminal import fitting, visible
from tests.support.workspaces import Mmfeat

TITLE = "\x1b]0;OWNED\x07"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("häß 日本 👩\u200d🔬 a\u00a0b", "häß 日本 👩\u200d🔬 a\u00a0b"),
        (TITLE, r"\x1b]0;OWNED\x07"),
        ("\r\x9b\x7f\u202eabc", r"\r\x9b\x7f\u202eabc"),
    ],
)
def test_controls_are_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_no_command_sends_controls_of_a_table_to_the_terminal(
    tmp_path: Path, mmfeat: Mmfeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"{TITLE}{i}.jpg,{TITLE}L{i % 2}" for i in range(24)]
    Path("t.csv").write_text("\n".join(["ImageID,Labels", *rows]) + "\n")
    values = np.random.default_rng(0).normal(size=(24, 4))
    values[3] = np.nan
    np.save("e.npy", values)
    for line in (
        "import t.csv --text e.npy --split x",
        "inspect artifacts/features/x.h5",
        "fit --split x --head knn --fusion text --folds 2 --name r",
        "tune-thresholds r",
        "runs r",
        "score t.csv t.csv",
        f"fit --split x --head {TITLE}",
    ):
        result = mmfeat(*line.split())
        assert result.exit_code == int(line.endswith(TITLE)), result.stderr
        assert "\x1b" not in result.stdout + result.stderr, line


def test_a_terminal_of_few_characters_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("ImageID,Labels\n1,café\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mmfeat_cli", "score", "t.csv", "t.csv"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and r"caf\xe9" in done.stdout, done.stderr


def test_messages_keep_to_the_width_that_is_told(
    mmfeat: Mmfeat, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(workspace, "one-of-a-name-that-is-rather-long")
    where = ("runs", "one-of-a-name-that-is-rather-long", "-w", workspace.root)
    whole = mmfeat(*where).stderr
    assert max(map(len, whole.splitlines())) > 80  # a file has whole sentences
    monkeypatch.setenv("COLUMNS", "80")
    cut = mmfeat(*where).stderr
    assert max(map(len, cut.splitlines())) <= 80 and cut.split() == whole.split()


def test_no_line_begins_with_the_sign_of_a_percentage() -> None:
    for blanks in range(76, 84):
        lines = fitting(f"{'x' * blanks} 95 % of it").splitlines()
        assert not any(line.strip().startswith("%") for line in lines)
        assert " ".join(map(str.strip, lines)) == f"{'x' * blanks} 95 % of it"
