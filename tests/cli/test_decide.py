"""What `tune-thresholds`, `runs RUN` and `score` print: within 80 columns, the answer last."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmfeat.core.workspace import Workspace
from tests.support.workspaces import Mmfeat


@pytest.fixture
def run(mmfeat: Mmfeat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run of 60 rows with 24 labels, most of them rare, one with no row, and rows without any."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    targets = rng.random((60, 24)) < np.append([0.5, 0.4], np.full(22, 0.07))
    targets[:, 23] = targets[:6] = False
    np.save("x.npy", (targets @ rng.normal(size=(24, 8)) + rng.normal(size=(60, 8))).astype("f4"))
    names = ",".join(f"label{j}" for j in range(24))
    lines = [f"{i},{','.join(map(str, row.astype(int)))}" for i, row in enumerate(targets)]
    Path("t.csv").write_text("\n".join([f"ImageID,{names}", *lines]) + "\n")
    made = mmfeat("import", "t.csv", "--text", "x.npy", "--split", "train", "--label-cols", names)
    assert made.exit_code == 0, made.stderr
    fitted = mmfeat("fit", "--head", "logreg", "--fusion", "text", "--set", "C=1", "--name", "r")
    assert fitted.exit_code == 0, fitted.stderr
    return "r"


def test_the_last_lines_are_the_answer_the_run_and_the_next_command(
    mmfeat: Mmfeat, run: str
) -> None:
    tuned = mmfeat("tune-thresholds", run, "--method", "exact", "--for-rows", "40")
    lines = tuned.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    decision = json.loads(Path("artifacts/runs/r/thresholds.json").read_text())
    nested = decision["oof"]["nested"]["macro_f1"]
    assert lines[-4].startswith(f"nested macro-f1 {nested:.4f} (95 % interval of this estimate:")
    assert lines[-3].startswith("on a new test of 40 rows: ")
    assert lines[-2:] == [
        f"run: {run}",
        f"next: mmfeat submit {run} (or predict, report, export)",
    ]
    told = " ".join(tuned.stdout.split())
    assert "not a forecast for a test set of a given size; --for-rows N gives one" in told
    assert " of 60 rows have no labels" in told and "… and " in told
    assert "of 60 rows, the heads of folds learn from clearly fewer than the final head" in told
    shown = mmfeat("runs", run).stdout.splitlines()
    assert shown[-3:] == [lines[-4], *lines[-2:]]


def test_another_objective_than_that_of_the_comparison_names_the_comparison_by_it(
    mmfeat: Mmfeat, run: str
) -> None:
    compared = mmfeat("compare", "--heads", "logreg", "--fusions", "text", "--json")
    best = json.loads(compared.stdout)["best"]
    other = mmfeat("tune-thresholds", best, "--objective", "micro-f1", "--method", "global").stdout
    assert "next: mmfeat compare --objective micro-f1, with" in " ".join(other.split())
    same = mmfeat("tune-thresholds", best, "--objective", "macro-f1", "--method", "exact").stdout
    assert "next: mmfeat compare" not in same


def test_classes_are_listed_on_request_worst_first(mmfeat: Mmfeat, run: str) -> None:
    named = mmfeat("tune-thresholds", run, "--method", "exact")
    assert "--per-class shows every label" in named.stdout
    assert sum(line.startswith("label") for line in named.stdout.splitlines()) == 0
    every = mmfeat("tune-thresholds", run, "--method", "exact", "--per-class").stdout.splitlines()
    rows = [line.split() for line in every if line.startswith("label")][1:]
    values = [row[5] for row in rows]
    assert len(rows) == 24 and values[-1] == "n/a"
    assert [float(value) for value in values[:-1]] == sorted(map(float, values[:-1]))
    shown = mmfeat("runs", run, "--per-class").stdout.splitlines()
    assert sum(line.startswith(("label1", "label2")) for line in shown) == 16
    assert max(map(len, shown)) <= 80


def test_the_forecast_is_in_the_json(mmfeat: Mmfeat, run: str) -> None:
    tuned = json.loads(mmfeat("tune-thresholds", run, "--for-rows", "40", "--json").stdout)
    assert tuned["forecast"]["rows"] == 40
    low, high = tuned["forecast"]["interval"]
    assert low < tuned["oof"]["nested"]["macro_f1"] < high


def test_rows_without_labels_count_as_zero_division_says(mmfeat: Mmfeat, run: str) -> None:
    """Seen: samples-F1 of perfect predictions is 0.667 where a third of the rows has no labels."""
    Path("truth.csv").write_text("ImageID,Labels\n1,a\n2,b a\n3,\n")
    found = mmfeat("score", "truth.csv", "truth.csv")
    assert "1 of 3 rows has no labels: samples-f1 counts each as 0" in found.stderr
    assert "--zero-division" in found.stderr
    assert found.stdout.splitlines()[-1].endswith("samples-f1 0.6667 on 3 rows")
    as_one = mmfeat("score", "truth.csv", "truth.csv", "--zero-division", "1")
    assert as_one.stdout.splitlines()[-1].endswith("samples-f1 1.0000 on 3 rows")
    assert "counts each as 1" in as_one.stderr
    usual, as_one = (
        json.loads(mmfeat("runs", run, "--json", *more).stdout)["metrics"]["samples_f1"]
        for more in ((), ("--zero-division", "1"))
    )
    assert as_one >= usual
    assert (Workspace(Path("artifacts")).run(run) / "DONE").exists()
