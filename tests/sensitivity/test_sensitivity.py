"""The curve is kept, listed by a command, and warned of by fit and compare."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import mmfeat as verbs
from mmfeat.config import DataSettings
from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError, RunError
from mmfeat.extract.importing import store_embeddings
from mmfeat.tables import read_table
from mmfeat.types import Features
from tests.support.made_up.relatives import with_relatives, without_relatives
from tests.support.workspaces import Mmfeat

WARNING = "estimates depend on near neighbours"


def store(workspace: Workspace, split: str, features: Features, *, group_col: bool = False) -> None:
    folder = workspace.root / "sources"
    folder.mkdir(parents=True, exist_ok=True)
    targets = np.asarray(features.targets)
    lines = [
        f"{id_},{' '.join(features.labels[at] for at in np.flatnonzero(row)) or 'none'},{id_}"
        for id_, row in zip(features.ids, targets, strict=True)
    ]
    path = folder / f"{split}.csv"
    path.write_text("\n".join(["ImageID,Labels,product", *lines]) + "\n")
    np.save(folder / "image.npy", features.embeddings["image"][0])
    data = DataSettings(group_cols=("product",) if group_col else ())
    store_embeddings(
        read_table(path, data=data),
        {"image": folder / "image.npy"},
        out=workspace.store(split),
        encoder_name="x",
    )


@pytest.fixture
def related(workspace: Workspace) -> Workspace:
    store(workspace, "related", with_relatives())
    return workspace


def test_the_verb_keeps_the_curve(related: Workspace) -> None:
    curve = verbs.sensitivity("related", workspace=related.root)
    (path,) = related.folds.glob("sensitivity-*.json")
    assert curve.fallen is not None and curve.n_rows == 450
    written = path.stat().st_mtime_ns
    assert verbs.sensitivity("related", workspace=related.root) == curve
    assert path.stat().st_mtime_ns == written
    document = json.loads(path.read_text())
    document["curve"]["n_used"] = 3
    path.write_text(json.dumps(document))
    with pytest.raises(RunError, match="its sha256 differs"):
        verbs.sensitivity("related", workspace=related.root)


def test_too_few_rows_are_an_error(workspace: Workspace) -> None:
    with pytest.raises(FitError, match="needs 200 rows"):
        verbs.sensitivity("train", workspace=workspace.root)


def test_fit_and_compare_warn(
    related: Workspace, mmfeat: Mmfeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(related.root)
    store(related, "single", without_relatives())
    store(related, "named", with_relatives(seed=1), group_col=True)
    for split, is_warned in (("related", True), ("single", False), ("named", False)):
        here = ("--split", split, "--folds", "2", "-w", related.root)
        for line in (
            ("fit", "--head", "knn", "--fusion", "image", *here),
            ("compare", "--heads", "knn", "--fusions", "image", *here),
        ):
            result = mmfeat(*line)
            assert result.exit_code == 0, result.stderr
            assert result.stderr.count(WARNING) == is_warned
    off = mmfeat("fit", "--head", "knn", "--fusion", "image", "--near-copies", "off", *here)
    assert WARNING not in off.stderr


def test_the_command_shows_it(related: Workspace, mmfeat: Mmfeat) -> None:
    shown = mmfeat("sensitivity", "related", "-w", related.root)
    assert shown.exit_code == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("kept together") and max(map(len, lines)) <= 80
    assert any(line.startswith("near-copies ") for line in lines) and WARNING in shown.stdout
    document = json.loads(mmfeat("sensitivity", "related", "--json", "-w", related.root).stdout)
    assert document["points"][0]["cosine"] is None and WARNING in document["verdict"]
    assert Path(related.folds).is_dir()
