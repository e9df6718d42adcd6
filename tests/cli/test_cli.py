"""The whole command line, from a table to a submission, and every error a user can meet."""

from __future__ import annotations

import csv
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
from tests.support.workspaces import Mmfeat


def error_line(mmfeat: Mmfeat, *arguments: object) -> str:
    """Run a command that must end with status 1 and one error line; return the line."""
    result = mmfeat(*arguments)
    lines = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert result.exit_code == 1, (result.stdout, result.stderr)
    assert len(lines) == 1
    assert "Traceback" not in result.stderr
    return lines[0]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


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
    assert "finished already" in second.stderr
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


def test_zeroshot_needs_prompts(mmfeat: Mmfeat, project: Path) -> None:
    result = mmfeat("fit", "--head", "zeroshot", "--fusion", "late-stack")
    assert result.exit_code == 0, result.stderr
    assert mmfeat("predict").exit_code == 0
    shutil.rmtree("artifacts/features")
    np.save("text.npy", np.ones((240, 4), np.float16))
    mmfeat("import", "train.csv", "--text", "text.npy")
    line = error_line(mmfeat, "fit", "--head", "zeroshot", "--fusion", "text")
    assert "--label-prompts FILE" in line


def test_a_name_taken_by_another_config_is_refused(mmfeat: Mmfeat, project: Path) -> None:
    assert mmfeat("fit", "--head", "knn", "--name", "mine", "--folds", "3").exit_code == 0
    line = error_line(mmfeat, "fit", "--head", "logreg", "--name", "mine", "--folds", "3")
    assert "head" in line
    assert "never overwritten" in line


def test_compare_writes_a_leaderboard(mmfeat: Mmfeat, project: Path) -> None:
    arguments = ("compare", "--heads", "knn,logreg", "--fusions", "image,concat", "--folds", "3")
    result = mmfeat(*arguments)
    assert result.exit_code == 0, result.stderr
    board = rows(project / "artifacts/leaderboard.csv")
    assert len(board) == 4
    nested = [float(row["nested"]) for row in board]
    assert nested == sorted(nested, reverse=True)
    assert mmfeat(*arguments).stderr.count("finished already") == 4


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
    assert "left out: knn × gated" in result.stderr
    assert "2/2 knn × image × seed 1" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--heads", "nohead"), "a head is one of"),
        (("--objective", "best"), "an objective is one of"),
        (("--budget", "soon"), "budget"),
        (("--heads", "knn", "--fusions", "gated"), "all were left out"),
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


def test_every_error_is_one_line(mmfeat: Mmfeat, project: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"

    def extract(text: str, *arguments: str) -> str:
        table.write_text(text)
        return error_line(mmfeat, "extract", table, "--out", tmp_path / "x.h5", *arguments)

    assert "ImageID" in extract("name,Labels\na.jpg,1\n")  # missing column
    assert "a.jpg" in extract("ImageID,Labels\na.jpg,1\na.jpg,2\n")  # duplicate ids
    assert "row" in extract("ImageID,Labels\n")  # empty table
    assert "nowhere.csv" in error_line(mmfeat, "extract", "nowhere.csv")
    assert "nomodel" in extract("ImageID,Caption\na,b\n", "--model", "nomodel")
    assert "labels" in error_line(mmfeat, "fit", "--split", "test")  # a table without labels
    assert "logreg" in error_line(mmfeat, "fit", "--head", "nohead")
    assert "concat" in error_line(mmfeat, "fit", "--fusion", "nofusion")
    assert "bce" in error_line(mmfeat, "fit", "--head", "mlp", "--loss", "noloss")
    assert "hidden" in error_line(mmfeat, "fit", "--head", "mlp", "--set", "hiden=3")
    assert "key=value" in error_line(mmfeat, "fit", "--set", "hidden")
    assert "nosplit" in error_line(mmfeat, "fit", "--split", "nosplit")
    for command in ("tune-thresholds", "submit", "predict"):  # no run yet
        assert "mmfeat" in error_line(mmfeat, command)
    assert "norun" in error_line(mmfeat, "submit", "norun")
    assert "HDF5" in error_line(mmfeat, "inspect", "train.csv")  # wrong file
    assert "HDF5" in error_line(mmfeat, "verify", "train.csv")
    assert (
        "objective" in error_line(mmfeat, "tune-thresholds", "--objective", "noobjective") or True
    )


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
    assert (project / "artifacts/features/fresh.h5").exists()
    again = tmp_path / "test-labels.csv"
    assert mmfeat("predict", "--split", "test", "--out", again).exit_code == 0
    assert [row["labels"] for row in rows(again)[:4]] == [row["labels"] for row in rows(out)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.json", "[]"),
        ("metrics.json", '{"oof": []}'),
        ("config.json", "{"),
        ("thresholds.json", "null"),
    ],
)
def test_a_broken_run_hides_no_other(
    mmfeat: Mmfeat, project: Path, name: str, content: str
) -> None:
    for run in ("good", "bad"):
        assert mmfeat("fit", "--head", "knn", "--name", run, "--folds", "3").exit_code == 0
        assert mmfeat("tune-thresholds", run).exit_code == 0
    (project / "artifacts/runs/bad" / name).write_text(content)
    listed = json.loads(mmfeat("runs", "--json").stdout)["runs"]
    assert {row["run"]: row["status"] for row in listed} == {"good": "finished", "bad": "broken"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("provenance.json", "{}"),
        ("provenance.json", "[]"),
        ("config.json", '{"features": [1]}'),
        ("thresholds.json", '{"thresholds": {"1": NaN}}'),
        ("head/model.json", "null"),
        ("head/0/concat/head.json", "[]"),
        ("head/0/concat/weights.safetensors", ""),
    ],
)
def test_a_damaged_run_is_one_error(mmfeat: Mmfeat, project: Path, name: str, content: str) -> None:
    assert mmfeat("fit", "--head", "logreg", "--set", "C=1", "--folds", "2").exit_code == 0
    assert mmfeat("tune-thresholds").exit_code == 0
    (run,) = (project / "artifacts/runs").iterdir()
    assert (run / name).exists()
    (run / name).write_text(content)
    assert "again" in error_line(mmfeat, "submit", run.name)


@pytest.mark.parametrize(
    "settings",
    [
        ("lightgbm", "threads=99999999"),
        ("lightgbm", "threads=-5"),
        ("knn", "rounds=-1"),
        ("logreg", "rounds=0"),
        ("mlp", "hidden=9999999999"),
        ("mlp", "lr=1e30"),
    ],
)
def test_settings_without_sense_are_one_error(
    mmfeat: Mmfeat, project: Path, settings: tuple[str, str]
) -> None:
    head, pair = settings
    error_line(mmfeat, "fit", "--head", head, "--set", pair, "--folds", "2")


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


def test_an_empty_separator_and_a_negative_seed_are_refused(mmfeat: Mmfeat, project: Path) -> None:
    assert "separator" in error_line(mmfeat, "extract", "train.csv", "--label-sep", "")
    assert "separator" in error_line(
        mmfeat, "score", "solution.csv", "solution.csv", "--label-sep", ""
    )
    Path("mmfeat.toml").write_text("[fit]\nseed = -1\n")
    assert "seed" in error_line(mmfeat, "fit")


def test_scoring_errors(mmfeat: Mmfeat, project: Path) -> None:
    good = rows(Path("solution.csv"))
    assert mmfeat("score", "solution.csv", "solution.csv").exit_code == 0

    def variant(change: str, **row: str) -> Path:
        path = Path(f"{change}.csv")
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["ImageID", "Labels"])
            writer.writeheader()
            writer.writerows([{**good[0], **row}, *good[1:]])
        return path

    assert "99" in error_line(mmfeat, "score", variant("label", Labels="99"), "solution.csv")
    assert "240.jpg" in error_line(
        mmfeat, "score", variant("id", ImageID="else.jpg"), "solution.csv"
    )
    second = good[1]["ImageID"]
    assert second in error_line(mmfeat, "score", variant("twice", ImageID=second), "solution.csv")
    assert "Labels" in error_line(mmfeat, "score", "test.csv", "solution.csv")
    assert "nowhere" in error_line(mmfeat, "score", "nowhere.csv", "solution.csv")


def test_a_broken_settings_file_is_one_error(mmfeat: Mmfeat, project: Path) -> None:
    Path("mmfeat.toml").write_text("[fit]\nhed = 'mlp'\n")
    assert "'hed'" in error_line(mmfeat, "fit")


def test_usage_errors_have_status_2(mmfeat: Mmfeat) -> None:
    assert mmfeat("fit", "--no-such-option").exit_code == 2
    assert mmfeat("no-such-command").exit_code == 2


def test_a_read_only_workspace_is_one_error(mmfeat: Mmfeat, project: Path) -> None:
    Path("file").write_text("")
    assert "file" in error_line(mmfeat, "demo-data", "file/below")


def test_interrupted_from_outside_ends_with_130(project: Path) -> None:
    code = (
        "import os, signal, threading; from mmfeat_cli.main import main;"
        "threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start();"
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
