"""A sketch of a comparison: fewer rows and numbers, in a workspace of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmfeat import compare
from mmfeat.compare.quick import rows as module_of_rows
from mmfeat.compare.quick import sketch as module
from mmfeat.compare.quick.rows import drawn
from mmfeat.compare.quick.sketch import sketch
from mmfeat.core.workspace import Workspace
from mmfeat.fit.heads.mlp import MLP
from mmfeat.fit.models.head_model import HeadModel
from mmfeat.store import FeatureStore
from mmfeat.store.verify import verify_store
from tests.support.cells import cells_of
from tests.support.workspaces import Mmfeat, error_line, import_split


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_of_rows, "FEWEST_ROWS", 60)
    monkeypatch.setattr(module_of_rows, "SHARE", 0.2)
    monkeypatch.setattr(module, "WIDTH", 4)


def test_sets_keep_the_same_rows_with_fewer_numbers(workspace: Workspace) -> None:
    for name in ("one", "two"):
        import_split(workspace, "train", n_rows=240, features=name, uncertain=0.1)
    cells = cells_of("knn", features=(("one",), ("two",)))
    aside, sketched = sketch(workspace, cells)
    assert all(cell.folds <= module.FOLDS and cell.near_copies == "off" for cell in sketched)
    ids = []
    for name in ("one", "two"):
        path = aside.store("train", name)
        assert not verify_store(path)
        with (
            FeatureStore.open(path) as store,
            FeatureStore.open(workspace.store("train", name)) as whole,
        ):
            assert store.widths == {"image": 4, "text": 4} and 30 < store.n_rows < 90
            assert store.provenance["sketch"]["of"] == 240
            rows = [list(whole.ids).index(name) for name in store.ids]
            np.testing.assert_array_equal(store.targets, np.array(whole.targets)[rows])
            ids.append(list(store.ids))
    assert ids[0] == ids[1]


def test_training_is_short_unless_the_user_says_how_long(workspace: Workspace) -> None:
    (cell,) = cells_of("mlp")
    for own, epochs in (({}, MLP.sketched["epochs"]), ({"epochs": "3"}, "3")):
        _, (sketched,) = sketch(workspace, [replace(cell, settings=own)])
        assert sketched.settings["epochs"] == epochs
        assert HeadModel.build(sketched).final == "average"


def test_related_rows_are_drawn_together(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, groups = [f"{row}.jpg" for row in range(900)], np.arange(900) % 300
    rows = drawn(ids, groups)
    assert 90 < len(rows) < 300
    assert np.isin(groups, groups[rows]).sum() == len(rows)
    assert np.array_equal(rows, drawn(ids, groups))


def test_of_many_rows_a_third_judges_and_all_sets_are_parted_alike(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module_of_rows, "FEW_ROWS", 40)
    for name in ("one", "two"):
        import_split(workspace, "train", n_rows=240, features=name, uncertain=0.1)
    aside, cells = sketch(workspace, cells_of("knn", features=(("one",), ("two",))))
    judging = {cell.validation for cell in cells}
    assert judging == {"train-judging"}
    ids: dict[str, list[list[str]]] = {}
    for split in ("train", "train-judging"):
        for name in ("one", "two"):
            with FeatureStore.open(aside.store(split, name)) as store:
                ids.setdefault(split, []).append(list(store.ids))
    learned, judged = ids["train"], ids["train-judging"]
    assert learned[0] == learned[1] and judged[0] == judged[1]
    assert not set(learned[0]) & set(judged[0])
    assert len(judged[0]) == pytest.approx(len(learned[0]) / 2, abs=2)


def test_a_sketch_says_so_and_leaves_no_run_behind(project: Path, mmfeat: Mmfeat) -> None:
    line = ("compare", "--quick", "--heads", "knn,ridge", "--fusions", "image,sum", "--quiet")
    result = mmfeat(*line)
    assert result.exit_code == 0, result.stderr
    assert "only the order counts" in result.stdout and "expect" not in result.stdout
    assert "a sketch:" in result.stdout and "next: mmfeat compare --heads" in result.stdout
    aside = Workspace(Path("artifacts")).sketch
    assert not Path("artifacts/runs").exists() and len(list(aside.runs.glob("*/DONE"))) == 4
    assert "a sketch:" in aside.leaderboard.read_text(encoding="utf-8")
    found = json.loads(mmfeat(*line, "--json").stdout)
    assert found["sketch"].startswith("a sketch:") and len(found["entries"]) == 4
    assert len(list(aside.runs.glob("*/DONE"))) == 4  # nothing was fitted again
    assert mmfeat("report", "-w", str(aside.root)).exit_code == 0
    assert "A sketch:" in aside.report.read_text(encoding="utf-8")
    assert "leave out one" in error_line(mmfeat, *line, "--dry-run")
    assert not compare(heads=["knn"], fusions=["image"], folds=2).sketch
