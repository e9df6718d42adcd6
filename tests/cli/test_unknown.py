"""Unknown labels from a table to a report, through every command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmfeat.core.workspace import Workspace
from tests.support.files import put, rows
from tests.support.workspaces import Mmfeat, import_split

TOLD = "% of the labels are unknown and count nowhere"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a workspace of which 30 % of the training labels are unknown."""
    space = Workspace(tmp_path / "artifacts")
    import_split(space, "train", n_rows=120, uncertain=0.3)
    import_split(space, "test", n_rows=20, seed=7)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands_from_a_store_to_a_submission(mmfeat: Mmfeat, folder: Path) -> None:
    train = "artifacts/features/train.h5"
    lines = [
        f"verify {train}",
        f"inspect {train}",
        "fit --head logreg --folds 3 --name a",
        "fit --head knn --folds 3 --name b --unknown negative",
        "fit --head logreg --fusion late-stack --folds 3 --name c",
        "fit --head logreg --folds 3 --max-memory 100000 --name d",
        "fit --head ensemble --set runs=a,b --name e",
        "tune-thresholds e --objective samples-f1",
        "submit e --out s.csv",
        "predict e --split test --out p.csv",
        "runs a",
        "runs a b",
        "runs",
        "report a c --out r.html",
    ]
    found = {}
    for line in lines:
        found[line] = mmfeat(*line.split())
        assert found[line].exit_code == 0, (line, found[line].stderr)
        if line == "runs a" or line.startswith(("fit", "tune")):
            assert max(map(len, found[line].stdout.splitlines())) <= 80, line
    assert "of the labels are unknown, most often l" in found[lines[1]].stdout
    for line in (lines[2], lines[3], lines[7], "runs a"):
        said = " ".join((found[line].stderr + found[line].stdout).split())
        assert TOLD in said, line
    known = json.loads(mmfeat("runs", "a", "--json").stdout)["per_class"]
    assert [row["known"] < 120 for row in known] == [True] * 3
    assert "of the labels unknown" in (folder / "r.html").read_text()
    assert len(rows(folder / "s.csv")) == len(rows(folder / "p.csv")) == 20
    test_table = folder / "artifacts/sources/test.csv"
    truth = put(folder / "t.csv", test_table.read_text())
    scored = mmfeat("score", "s.csv", truth, "--uncertain-col", "Doubts")
    assert scored.exit_code == 0, scored.stderr


@pytest.mark.parametrize("engine", ["--jobs 2", "--engine ray"])
def test_every_engine_finds_the_same(mmfeat: Mmfeat, folder: Path, engine: str) -> None:
    board = "compare --heads logreg,knn --fusions concat,late-mean --folds 3 -w"
    for more, where in (("", "one"), (engine, "other")):
        space = Workspace(folder / where)
        import_split(space, "train", n_rows=120, uncertain=0.3)
        result = mmfeat(*f"{board} {where} {more}".split())
        assert result.exit_code == 0, result.stderr
    kept = ("head", "fusion", "nested", "nested_low", "run")
    boards = [rows(folder / where / "leaderboard.csv") for where in ("one", "other")]
    one, other = ([[row[name] for name in kept] for row in board] for board in boards)
    assert one == other and len(one) == 4


def test_a_table_is_checked_and_imported(mmfeat: Mmfeat, folder: Path) -> None:
    table = put(folder / "t.csv", "ImageID,a,b,note\n0,1,?,x\n1,,1,y\n2,0,0,z\n3,-1,1,x\n")
    told = mmfeat("check", table, "--label-cols", "a,b")
    assert "unknown: 37.5 % of the labels; known of 2 rows (a) to 3 (b)" in told.stdout
    repeated = ("--label-cols", "a", "--label-cols", "b")  # no name is dropped in silence
    document = json.loads(mmfeat("check", table, *repeated, "--json").stdout)
    assert document["known_rows"] == {"b": 3, "a": 2}
    wrong = mmfeat("check", table, "--label-cols", "a,b", "--known-col", "note")
    assert wrong.exit_code == 1
    assert "--known-col must name a column that lists labels" in wrong.stderr
