"""Every error that a user can meet is one line with status 1, and no traceback."""

from __future__ import annotations

import csv
import json
import shutil
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mmfeat_cli.main import app
from tests.support.files import rows
from tests.support.workspaces import Mmfeat, error_line


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
    assert "--workers" in extract("ImageID,Caption\na,b\n", "--workers", "4294967296")
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
    assert "finished run" in error_line(mmfeat, "tune-thresholds", "--objective", "noobjective")


@pytest.fixture(scope="module")
def tuned_project(demo_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a tuned run `good`; read-only for tests."""
    folder = tmp_path_factory.mktemp("tuned") / "project"
    shutil.copytree(demo_project, folder, ignore=shutil.ignore_patterns("data"))
    fit = "fit --head logreg --set C=1 --folds 2 --name good"
    with chdir(folder):
        for line in (fit, "tune-thresholds good"):
            result = CliRunner().invoke(app, line.split())
            assert result.exit_code == 0, result.stderr
    return folder


@pytest.fixture
def tuned_runs(tuned_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of runs of a fresh copy of the tuned project, which is the current folder."""
    folder = tmp_path / "tuned"
    shutil.copytree(tuned_project, folder)
    monkeypatch.chdir(folder)
    return folder / "artifacts/runs"


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
    mmfeat: Mmfeat, tuned_runs: Path, name: str, content: str
) -> None:
    shutil.copytree(tuned_runs / "good", tuned_runs / "bad")
    (tuned_runs / "bad" / name).write_text(content)
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
def test_a_damaged_run_is_one_error(
    mmfeat: Mmfeat, tuned_runs: Path, name: str, content: str
) -> None:
    assert (tuned_runs / "good" / name).exists()
    (tuned_runs / "good" / name).write_text(content)
    assert "again" in error_line(mmfeat, "submit", "good")


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


def test_an_empty_separator_and_a_negative_seed_are_refused(mmfeat: Mmfeat, project: Path) -> None:
    assert "separator" in error_line(mmfeat, "extract", "train.csv", "--label-sep", "")
    assert "separator" in error_line(
        mmfeat, "score", "solution.csv", "solution.csv", "--label-sep", ""
    )
    Path("mmfeat.toml").write_text("[fit]\nseed = -1\n")
    assert "seed" in error_line(mmfeat, "fit")


@pytest.mark.parametrize("key", ["batch_size", "shard_rows", "max_pixels", "actors", "workers"])
def test_numbers_of_the_settings_are_checked_as_flags_are(
    mmfeat: Mmfeat, project: Path, key: str
) -> None:
    Path("mmfeat.toml").write_text(f'[extract]\nmodel = "tiny-demo"\n{key} = -2\n')
    Path("few.csv").write_text("ImageID,Caption\na,b\n")
    line = error_line(mmfeat, "extract", "few.csv", "--modalities", "text")
    assert f"--{key.replace('_', '-')}" in line and "-2" in line


def test_texts_that_are_not_utf8_are_refused(mmfeat: Mmfeat, project: Path) -> None:
    np.save("text.npy", np.ones((240, 4), np.float16))
    importing = ("import", "train.csv", "--text", "text.npy", "--split", "new")
    line = error_line(mmfeat, *importing, "--encoder-name", "\udcff")
    assert "--encoder-name is UTF-8" in line
    assert "UTF-8" in error_line(mmfeat, *importing, "--label-sep", "\udcff")
    assert "UTF-8" in error_line(mmfeat, "import", *importing[1:-1], "\udcff")


def test_a_store_needs_a_name(mmfeat: Mmfeat, project: Path) -> None:
    np.save("text.npy", np.ones((240, 4), np.float16))
    for out in (".", ".."):
        line = error_line(mmfeat, "import", "train.csv", "--text", "text.npy", "--out", out)
        assert "a folder of its own" in line


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

    other = mmfeat("score", variant("label", Labels="99"), "solution.csv")
    assert other.exit_code == 0 and "each prediction is a false alarm: 99" in other.stderr
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
