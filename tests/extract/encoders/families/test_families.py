"""Every family goes from a table to a submission, with local folders of tiny models."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mmfeat.demo.data import write_demo_data
from tests.support.stage_one.saved_models import save_chat, save_two_towers
from tests.support.workspaces import Mmfeat

# family -> the name of a model, made in a folder, its weights, and the fusion that it allows
FAMILIES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "hf": (lambda folder: save_two_towers("clip", folder), "auto", "concat"),
    "st": (save_chat, "auto", "concat"),
    "timm": (lambda folder: "test_resnet", "random", "image"),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_from_table_to_submission(
    family: str, tmp_path: Path, mmfeat: Mmfeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip({"hf": "transformers", "st": "sentence_transformers"}.get(family, "timm"))
    make, pretrained, fusion = FAMILIES[family]
    monkeypatch.chdir(tmp_path)
    write_demo_data(tmp_path, n_train=40, n_test=9, seed=1)
    encoder = ["--model", f"{family}:{make(Path('model'))}", "--pretrained", pretrained]
    encoder += ["--workers", "0"]

    def run(*words: object) -> str:
        result = mmfeat(*words)
        assert result.exit_code == 0, (words, result.stderr)
        return result.stdout + result.stderr

    assert "train.h5: 40 rows" in run("extract", *encoder)
    run("extract", "train.csv", *encoder, "--engine", "torchrun", "--out", "other.h5")
    made = Path("artifacts/features/train.h5").read_bytes()
    assert Path("other.h5").read_bytes() == made
    run("fit", "--head", "knn", "--fusion", fusion, "--folds", "3")
    run("tune-thresholds")
    run("submit", "--out", "submission.csv")
    run("predict", "--table", "test.csv", "--images", "data", "--out", "new.csv")
    with Path("submission.csv").open() as a, Path("new.csv").open() as b:
        wanted = [(row["ImageID"], row["Labels"]) for row in csv.DictReader(a)]
        assert [(row["id"], row["labels"]) for row in csv.DictReader(b)] == wanted
    assert len(wanted) == 9
    if family != "timm":  # its weights are drawn at random
        run("export", "--to", "bundle", "--with-encoder")
        shutil.rmtree("model")
        run("predict", "bundle", "--table", "test.csv", "--images", "data", "--out", "bundle.csv")
        assert Path("bundle.csv").read_bytes() == Path("new.csv").read_bytes()
