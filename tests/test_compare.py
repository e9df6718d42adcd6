from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from mmfeat.compare import plan_cells, rank, run_cells, write_leaderboard
from mmfeat.config import FitSettings
from mmfeat.errors import PluginError
from mmfeat.fusion import FUSIONS
from mmfeat.heads import HEADS
from mmfeat.workspace import Workspace

OPTIONS = FitSettings(folds=3)


def test_a_head_without_a_loss_gives_one_cell() -> None:
    cells, skipped = plan_cells(
        OPTIONS, heads=("knn", "mlp"), fusions=("image",), losses=("bce", "focal")
    )
    assert [(cell.head, cell.loss) for cell in cells] == [
        ("knn", None),
        ("mlp", "bce"),
        ("mlp", "focal"),
    ]
    assert skipped == []


def test_cells_without_sense_are_listed_with_the_reason() -> None:
    cells, skipped = plan_cells(OPTIONS, heads=("knn", "mlp"), fusions=("gated",), losses=("bce",))
    assert [cell.head for cell in cells] == ["mlp"]
    assert len(skipped) == 1
    assert "knn × gated" in skipped[0]


def test_all_stands_for_every_name() -> None:
    cells, skipped = plan_cells(OPTIONS, heads=("all",), fusions=("all",), losses=("bce",))
    assert len(cells) + len(skipped) == len(HEADS) * len(FUSIONS)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(PluginError, match="nohead"):
        plan_cells(OPTIONS, heads=("nohead",), fusions=("image",), losses=("bce",))


def test_the_leaderboard_is_sorted_by_the_honest_estimate(workspace: Workspace) -> None:
    cells, _ = plan_cells(
        OPTIONS, heads=("knn", "logreg"), fusions=("image", "concat"), losses=("bce",)
    )
    results = list(run_cells(workspace, cells, objective="samples-f1"))
    board = rank([row for _, row in results])
    nested = [row["nested"] for row in board]
    assert nested == sorted(nested, reverse=True)
    assert all(run.is_done and run.has_thresholds for run, _ in results)
    for run, row in results:
        assert row["run"] == run.name
        assert row["nested"] == run.decision().oof["nested"]["samples_f1"]
    path = workspace.root / "leaderboard.csv"
    write_leaderboard(path, board)
    with path.open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["run"] for row in read] == [row["run"] for row in board]


def test_finished_cells_are_not_repeated(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells, _ = plan_cells(OPTIONS, heads=("knn",), fusions=("image",), losses=("bce",))
    list(run_cells(workspace, cells, objective="macro-f1"))

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr("mmfeat.model.Model.cross_validate", forbidden)
    assert len(list(run_cells(workspace, cells, objective="macro-f1"))) == 1
    with pytest.raises(AssertionError, match="fitted again"):
        list(run_cells(workspace, [replace(cells[0], seed=1)], objective="macro-f1"))
