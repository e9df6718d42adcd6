"""The whole command line, from a table to a submission."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest

from mmfeat.demo.data import write_demo_data
from mmfeat.fit.heads import knn
from mmfeat.metrics import METRICS
from tests.support.files import rows
from tests.support.workspaces import Mmfeat, error_line


def test_the_four_commands_verbatim(
    mmfeat: Mmfeat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_demo_data(tmp_path, n_train=120, n_test=30, seed=5)
    monkeypatch.chdir(tmp_path)
    for line in ("extract", "fit --head gmlp", "tune-thresholds", "submit"):
        result = mmfeat(*line.split())
        assert result.exit_code == 0, (line, result.stderr)
        assert "Traceback" not in result.stderr
    (path,) = Path("artifacts/submissions").glob("*.csv")
    submitted, sample = rows(path), rows(Path("sample_submission.csv"))
    assert [row["ImageID"] for row in submitted] == [row["ImageID"] for row in sample]
    labels = {str(i) for i in range(1, 20) if i != 12}
    assert all(set(row["Labels"].split()) <= labels and row["Labels"] for row in submitted)
    names = ",".join(sorted(labels))  # the 30 rows of the solution do not show every label
    result = mmfeat("score", path, "solution.csv", "--labels", names, "--json")
    scored = json.loads(result.stdout)
    assert 0.0 < scored["macro_f1"] <= 1.0
    assert {row["label"] for row in scored["per_class"]} == labels


def test_fit_says_what_it_took_and_is_not_repeated(mmfeat: Mmfeat, project: Path) -> None:
    first = mmfeat("fit", "--head", "logreg", "--folds", "3")
    assert first.exit_code == 0, first.stderr
    (run,) = (project / "artifacts/runs").iterdir()
    before = (run / "scores.h5").read_bytes()
    second = mmfeat("fit", "--head", "logreg", "--folds", "3")
    assert "already finished" in second.stderr
    assert (run / "scores.h5").read_bytes() == before
    mmfeat("fit", "--head", "knn", "--folds", "3")
    tuned = mmfeat("tune-thresholds", "--json")
    assert json.loads(tuned.stdout)["run"].startswith("knn")
    submitted = mmfeat("submit")
    assert "knn" in submitted.stderr  # says which run it took


def test_a_run_folder_is_as_designed(mmfeat: Mmfeat, project: Path) -> None:
    assert mmfeat("fit", "--head", "logreg", "--name", "mine", "--folds", "3").exit_code == 0
    assert mmfeat("tune-thresholds", "mine").exit_code == 0
    run = project / "artifacts/runs/mine"
    names = {path.name for path in run.iterdir()}
    assert names == {
        "config.json", "provenance.json", "scores.h5", "head", "metrics.json",
        "thresholds.json", "held_out.h5", "history.json", "DONE",
    }  # fmt: skip
    with h5py.File(run / "scores.h5") as file:
        n, k = file["targets"].shape
        assert file["oof"].shape == (n, k)
        assert file["oof"].dtype == np.float32
        assert set(file["folds"][:]) == {0, 1, 2}
        assert len(file["ids"]) == n == 240
    metrics = json.loads((run / "metrics.json").read_text())
    assert {"macro_f1", "micro_f1", "samples_f1", "map"} <= set(metrics["oof"]["at_0.5"])
    assert len(metrics["oof"]["per_class"]) == k
    assert metrics["bytes"] == sum(
        p.stat().st_size for p in (run / "head").rglob("*") if p.is_file()
    )
    thresholds = json.loads((run / "thresholds.json").read_text())
    assert set(thresholds["oof"]) == {"at_0.5", "tuned", "nested"}
    assert len(thresholds["thresholds"]) == k
    assert {"label", "support", "threshold", "f1_at_0.5", "f1_tuned", "spread"} <= set(
        thresholds["per_class"][0]
    )
    assert not any(path.suffix in (".pkl", ".joblib", ".pt") for path in run.rglob("*"))


def test_everything_measured_about_a_run(mmfeat: Mmfeat, project: Path) -> None:
    assert mmfeat("fit", "--head", "knn", "--name", "mine", "--folds", "3").exit_code == 0
    document = json.loads(mmfeat("runs", "mine", "--json").stdout)
    assert set(document["metrics"]) == set(METRICS)
    stored = json.loads((project / "artifacts/runs/mine/metrics.json").read_text())
    for name, value in stored["oof"]["at_0.5"].items():
        assert document["metrics"][name] == pytest.approx(value)
    for row in document["per_class"]:
        low, high = row["ap_interval"] or (0.0, 1.0)
        assert 0.0 <= low <= row["ap"] <= high <= 1.0
    shown = mmfeat("runs", "mine")
    assert "lrap" in shown.stdout
    assert "0/0 counts as 0" in shown.stderr


def test_an_interrupted_fit_goes_on_at_its_fold(mmfeat: Mmfeat, project: Path) -> None:
    arguments = ("fit", "--head", "knn", "--name", "a", "--folds", "4")
    assert mmfeat(*arguments).exit_code == 0
    whole = (project / "artifacts/runs/a/scores.h5").read_bytes()
    shutil.rmtree(project / "artifacts/runs/a")

    calls = 0
    original = knn.KNN.predict_proba

    def dying(self: knn.KNN, x: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return original(self, x)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knn.KNN, "predict_proba", dying)
        result = mmfeat(*arguments)
    assert result.exit_code == 130
    assert "again" in result.stderr
    assert "tune-thresholds" in error_line(mmfeat, "submit")
    result = mmfeat(*arguments)
    assert "continues" in result.stderr
    assert (project / "artifacts/runs/a/scores.h5").read_bytes() == whole


def test_new_rows_go_through_stage_one(
    mmfeat: Mmfeat, project: Path, demo_project: Path, tmp_path: Path
) -> None:
    assert mmfeat("fit", "--head", "knn", "--folds", "3").exit_code == 0
    table = tmp_path / "fresh.csv"
    table.write_text("".join(Path("test.csv").read_text().splitlines(keepends=True)[:5]))
    out = tmp_path / "fresh-labels.csv"
    result = mmfeat("predict", "--table", table, "--images", demo_project / "data", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert [row["id"] for row in rows(out)] == [row["ImageID"] for row in rows(table)]
    assert not (project / "artifacts/features/fresh.h5").exists()
    again = tmp_path / "test-labels.csv"
    assert mmfeat("predict", "--split", "test", "--out", again).exit_code == 0
    assert [row["labels"] for row in rows(again)[:4]] == [row["labels"] for row in rows(out)]


@pytest.mark.parametrize("head", ["knn", "logreg", "mlp", "lightgbm"])
@pytest.mark.parametrize("labels", ["aaaaaa", "ab"])
def test_nothing_to_learn_in_a_fold(
    mmfeat: Mmfeat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: str, labels: str
) -> None:
    monkeypatch.chdir(tmp_path)
    table = "".join(f"{row},{label}\n" for row, label in enumerate(labels))
    Path("t.csv").write_text("ImageID,Labels\n" + table)
    np.save("t.npy", np.random.default_rng(0).normal(size=(len(labels), 4)).astype(np.float32))
    assert mmfeat("import", "t.csv", "--image", "t.npy", "--split", "train").exit_code == 0
    result = mmfeat("fit", "--head", head, "--fusion", "image", "--folds", "2")
    assert result.exit_code == 0, result.stderr


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("who", ["os.kill, (os.getpid(), 2)", "os.killpg, (0, 2)"])
@pytest.mark.parametrize("seconds", [0.2, 0.8])
def test_interrupted_from_outside_ends_with_130(who: str, seconds: float) -> None:
    code = (
        "import os, threading; from mmfeat_cli.main import main;"
        f"threading.Timer({seconds}, {who}).start();"
        "import sys; sys.argv = ['mmfeat', 'demo-data', 'd', '--train', '20000', '--test', '1'];"
        "main()"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a job may ignore it
        start_new_session=True,  # as in a terminal, where Ctrl-C reaches all processes
    )
    assert answer.returncode == 130
    assert "Traceback" not in answer.stderr


def test_workspace_by_flag_and_by_environment(
    mmfeat: Mmfeat, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("artifacts").rename("elsewhere")
    assert "artifacts" in error_line(mmfeat, "fit", "--head", "knn")
    assert mmfeat("fit", "--head", "knn", "--folds", "3", "-w", "elsewhere").exit_code == 0
    monkeypatch.setenv("MMFEAT_WORKSPACE", "elsewhere")
    listed = json.loads(mmfeat("runs", "--json").stdout)["runs"]
    assert [row["head"] for row in listed] == ["knn"]
