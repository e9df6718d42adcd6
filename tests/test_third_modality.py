"""A modality is a name: a made-up third one goes all the way, with a fusion of one line."""

from __future__ import annotations

import ast
import csv
import json
from pathlib import Path

import numpy as np
import pytest

import mmfeat as package
from mmfeat.fit.fusion import FUSIONS, FeatureFusion
from mmfeat.fit.fusion.fuse import fuse
from mmfeat.fit.fusion.matrix import side_by_side
from mmfeat.store import open_features, read_features
from tests.support.workspaces import Mmfeat

N_ROWS = 40
AUDIO = FeatureFusion(summary="the audio alone", function=side_by_side, modalities=("audio",))
# Where the name of a modality may stand: what encodes or reads images and captions, the specs
# of fusions, and the defaults and flags that a user sees.
MAY_NAME = (
    "mmfeat/config.py",
    "mmfeat/convert/",  # fields of the formats of others
    "mmfeat/demo/job.py",
    "mmfeat/export/onnx/towers.py",
    "mmfeat/extract/encoders/",
    "mmfeat/extract/images/",
    "mmfeat/extract/importing/",
    "mmfeat/extract/plan.py",
    "mmfeat/extract/prompts.py",
    "mmfeat/extract/rows/",
    "mmfeat/extract/run.py",
    "mmfeat/extract/updates/",
    "mmfeat/fit/fusion/__init__.py",
    "mmfeat/fit/recipes.py",
    "mmfeat/init/",
    "mmfeat/predict/new_rows.py",
    "mmfeat/report/svg.py",  # the element of SVG
    "mmfeat/serve/",  # rows of requests are read there
    "mmfeat/store/layout.py",
    "mmfeat/tables/",  # columns of images and captions are read there
    "cli/extract/",
)


def write_split(split: str, *, seed: int) -> None:
    """Labels that only the audio knows; image and text are noise."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((N_ROWS, 2)) < 0.5).astype(np.uint8)
    targets[:, 0] |= ~targets.any(axis=1)
    audio = targets @ np.eye(2, 6) * 2 - 1 + 0.1 * rng.normal(size=(N_ROWS, 6))
    for modality, values in (
        ("image", rng.normal(size=(N_ROWS, 4))),
        ("text", rng.normal(size=(N_ROWS, 4))),
        ("audio", audio),
    ):
        np.save(f"{split}-{modality}.npy", values.astype(np.float16))
    names = (" ".join(f"l{k}" for k in np.flatnonzero(row)) for row in targets)
    lines = [f"{row}.jpg,{labels}" for row, labels in enumerate(names)]
    Path(f"{split}.csv").write_text("\n".join(["ImageID,Labels", *lines]) + "\n")


@pytest.fixture
def audio_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mmfeat: Mmfeat) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(FUSIONS, "audio", AUDIO)
    for seed, split in enumerate(("train", "test")):
        write_split(split, seed=seed)
        files = [f"--{name}={split}-{name}.npy" for name in ("image", "text")]
        done = mmfeat("import", f"{split}.csv", *files, "--modality", f"audio={split}-audio.npy")
        assert done.exit_code == 0, done.output
        assert "audio" in done.output
    return tmp_path


def test_a_third_modality_goes_all_the_way(audio_project: Path, mmfeat: Mmfeat) -> None:
    def ok(*arguments: str) -> str:
        done = mmfeat(*arguments)
        assert done.exit_code == 0, done.output
        return str(done.stdout)

    assert "audio" in ok("inspect", "artifacts/features/train.h5")
    ok("verify", "artifacts/features/train.h5")
    ok("fit", "--head", "logreg", "--fusion", "audio", "--folds", "3", "--name", "heard")
    ok("fit", "--head", "logreg", "--fusion", "image", "--folds", "3", "--name", "seen")
    tuned = json.loads(ok("tune-thresholds", "heard", "--json"))
    assert tuned["oof"]["nested"]["micro_f1"] > 0.9
    board = ok("compare", "--heads", "logreg,knn", "--fusions", "audio,concat,max", "--folds", "3")
    assert "audio" in board and "concat" in board and "max" not in board  # the widths differ
    ok("predict", "heard", "--split", "test", "--out", "answers.csv")
    truth, answers = (
        csv.DictReader((audio_project / name).read_text().splitlines())
        for name in ("test.csv", "answers.csv")
    )
    pairs = zip(truth, answers, strict=True)
    right = [row["Labels"] == answer["labels"] for row, answer in pairs]
    assert np.mean(right) > 0.9
    ok("report")


def test_concat_joins_every_modality_that_is_there(audio_project: Path) -> None:
    path = audio_project / "artifacts" / "features" / "train.h5"
    features = read_features([path])
    assert list(features.embeddings) == ["image", "text", "audio"]
    assert fuse(features, "concat").blocks == (4, 4, 6)
    with open_features([path]) as stored:
        assert list(stored.part(slice(3)).embeddings) == ["image", "text", "audio"]


@pytest.mark.parametrize(
    "given", ["audio", "=audio.npy", "audio=", "image=train-image.npy", "Labels=train-audio.npy"]
)
def test_what_names_no_modality_is_refused(audio_project: Path, mmfeat: Mmfeat, given: str) -> None:
    done = mmfeat("import", "train.csv", "--image", "train-image.npy", "--modality", given)
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ") and "modality" in done.stderr


def test_modalities_are_named_only_where_they_are_read_or_fused() -> None:
    root = Path(package.__file__).parent.parent
    named = {
        path.relative_to(root).as_posix()
        for folder in ("mmfeat", "cli")
        for path in (root / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in ("image", "text")
    }
    assert [path for path in sorted(named) if not path.startswith(MAY_NAME)] == []
    assert [path for path in MAY_NAME if not any(name.startswith(path) for name in named)] == []
