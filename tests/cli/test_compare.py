"""`mmfeat compare` as a user meets it: the leaderboard, settings and flags, errors, tracking."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mmfeat.runs.run import Run
from tests.support.files import rows
from tests.support.workspaces import Mmfeat, error_line


def test_compare_writes_a_leaderboard(mmfeat: Mmfeat, project: Path) -> None:
    arguments = ("compare", "--heads", "knn,logreg", "--fusions", "image,concat", "--folds", "3")
    result = mmfeat(*arguments)
    assert result.exit_code == 0, result.stderr
    board = rows(project / "artifacts/leaderboard.csv")
    assert len(board) == 4
    nested = [float(row["nested"]) for row in board]
    assert nested == sorted(nested, reverse=True)
    assert mmfeat(*arguments).stderr.count("already finished") == 4
    lines = result.stdout.splitlines()
    best = board[0]["run"]
    assert lines[-3] == f"best: {best}"
    assert lines[-2].startswith(f"nested macro-f1 {nested[0]:.4f} (95 % interval")
    assert lines[-1].startswith(f"next: mmfeat submit {best}")
    assert max(map(len, lines)) <= 80 and "--wide" in result.stderr
    told = json.loads(mmfeat(*arguments, "--json", "--for-rows", "50").stdout)
    assert told["best"] == best and told["choice"]["n_cells"] == len(told["entries"]) == 4
    assert told["entries"][0]["nested"] == pytest.approx(nested[0], abs=1e-4)
    assert told["forecast"]["rows"] == 50 and told["verdict"] in " ".join(result.stdout.split())
    wide = mmfeat(*arguments, "--wide")
    assert "peak MiB" in wide.stdout and "peak MiB" not in result.stdout
    more = mmfeat("compare", "--heads", "logreg", "--fusions", "text", "--folds", "3")
    assert len(rows(project / "artifacts/leaderboard.csv")) == 5, more.stderr
    for command in ("tune-thresholds", "submit"):
        told = mmfeat(command).stderr
        assert f"run {best}: best of the last comparison" in told


def test_a_comparison_warns_where_rows_would_get_far_more_labels_than_they_have(
    mmfeat: Mmfeat, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("compare", "--heads", "logreg", "--fusions", "concat", "--folds", "3")
    assert "labels per row" not in mmfeat(*arguments).stdout
    monkeypatch.setattr("mmfeat.decide.notes.MANY_TIMES", 0.5)
    told = " ".join(mmfeat(*arguments).stdout.split())
    found = re.search(r"warning: ([\d.]+) labels per row, but ([\d.]+) in train: macro-f1", told)
    assert found is not None and "`mmfeat compare --objective samples-f1`" in told
    (run,) = (project / "artifacts" / "runs").iterdir()
    decision, targets = Run(run).decision, Run(run).oof.targets
    assert float(found[1]) == round(float(decision.oof["nested"]["predicted_per_row"] or 0), 1)
    assert float(found[2]) == round(float(targets.sum(axis=1).mean()), 1)
    told = mmfeat("export", "--to", project / "bundle").stderr
    assert f"warning: {found[1]} labels per row, but {found[2]} in train" in told


def test_compare_takes_its_cells_from_the_settings_and_flags_override(
    mmfeat: Mmfeat, project: Path
) -> None:
    with (project / "mmfeat.toml").open("a") as file:
        file.write('\n[compare]\nheads = ["knn", "mlp"]\nfusions = ["image", "gated"]\nseeds = 2\n')
    result = mmfeat("compare", "--heads", "knn", "--folds", "3")
    assert result.exit_code == 0, result.stderr
    (row,) = rows(project / "artifacts/leaderboard.csv")
    assert (row["head"], row["fusion"], len(row["run"].split())) == ("knn", "image", 2)
    assert "±" in result.stdout
    assert "skipped: knn × gated" in result.stderr
    assert "2/2 knn × image × seed 1" in result.stderr
    assert "lucky seed" not in result.stdout
    one = mmfeat("compare", "--heads", "knn", "--fusions", "text", "--seeds", "1", "--folds", "3")
    assert "some entries are one run, others the mean of several seeds" in one.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--heads", "nohead"), "a head is one of"),
        (("--objective", "best"), "an objective is one of"),
        (("--budget", "soon"), "budget"),
        (("--heads", "knn", "--fusions", "gated"), "all cells were skipped"),
        (("--track", "nowhere"), "tracker"),
    ],
)
def test_a_comparison_that_cannot_be_ends_in_one_line(
    mmfeat: Mmfeat, project: Path, arguments: tuple[str, ...], words: str
) -> None:
    assert words in error_line(mmfeat, "compare", *arguments)
    assert not list((project / "artifacts").glob("runs/*"))


def test_every_cell_of_a_comparison_is_tracked(mmfeat: Mmfeat, project: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    arguments = ("--heads", "knn", "--fusions", "image,text", "--folds", "3")
    result = mmfeat("compare", *arguments, "--track", "tensorboard")
    assert result.exit_code == 0, result.stderr
    sent = {path.name for path in (project / "artifacts/tracking/tensorboard").iterdir()}
    assert sent == {row["run"] for row in rows(project / "artifacts/leaderboard.csv")}
