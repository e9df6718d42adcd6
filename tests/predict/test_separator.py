"""Labels are written with the separator of the table that the run was fitted on."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import mmfeat


@pytest.fixture
def run(tmp_path: Path) -> mmfeat.Run:
    rng = np.random.default_rng(0)
    names = [["hot dog"], ["cat", "hot dog"], ["cat", "bird"]]
    values = rng.normal(size=(60, 8)).astype(np.float32)
    values[np.arange(60), np.arange(60) % 3] += 6
    np.save(tmp_path / "x.npy", values)
    lines = [f"{i},{'|'.join(names[i % 3])}\n" for i in range(60)]
    (tmp_path / "train.csv").write_text("ImageID,Labels\n" + "".join(lines))
    workspace = tmp_path / "artifacts"
    mmfeat.import_embeddings(
        tmp_path / "train.csv", text=tmp_path / "x.npy", split="train", workspace=workspace
    )
    run = mmfeat.fit("train", head="knn", fusion="text", folds=3, workspace=workspace)
    mmfeat.tune(run.name, objective="micro-f1", workspace=workspace)
    return run


def label_sets(path: Path, separator: str) -> set[str]:
    with path.open(newline="") as file:
        return {name for row in csv.DictReader(file) for name in row["Labels"].split(separator)}


def test_a_submission_can_be_read_again(run: mmfeat.Run, tmp_path: Path) -> None:
    assert run.label_sep == "|"
    out, workspace = tmp_path / "s.csv", tmp_path / "artifacts"
    mmfeat.submit(run.name, split="train", out=out, workspace=workspace)
    assert label_sets(out, "|") == {"hot dog", "cat", "bird"}


def test_the_separator_of_the_sample_comes_first(run: mmfeat.Run, tmp_path: Path) -> None:
    sample = tmp_path / "sample.csv"
    sample.write_text("ImageID,Labels\n" + "".join(f"{i},cat;bird\n" for i in range(60)))
    out, workspace = tmp_path / "s.csv", tmp_path / "artifacts"
    mmfeat.submit(run.name, split="train", sample=sample, out=out, workspace=workspace)
    assert label_sets(out, ";") == {"hot dog", "cat", "bird"}
