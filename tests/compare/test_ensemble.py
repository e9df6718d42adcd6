"""`compare --ensemble`: the runs of a comparison, averaged by a run that joins the leaderboard."""

from __future__ import annotations

import pytest

import mmfeat
from mmfeat.compare.board.leaderboard import Leaderboard
from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError


def test_a_comparison_ends_with_an_ensemble_of_its_runs(workspace: Workspace) -> None:
    def compared() -> Leaderboard:
        return mmfeat.compare(
            heads=("knn", "ridge"),
            fusions=("image", "text"),
            ensemble=True,
            folds=3,
            workspace=workspace.root,
        )

    board = compared()
    (entry,) = (entry for entry in board.entries if entry.head == "ensemble")
    others = {name for each in board.entries if each is not entry for name in each.runs}
    assert set(entry.settings["runs"].split(",")) == others
    assert [each.runs for each in compared().entries] == [each.runs for each in board.entries]


def test_one_run_is_no_ensemble(workspace: Workspace) -> None:
    with pytest.raises(FitError, match="two or more runs of the same folds"):
        mmfeat.compare(
            heads=("knn",), fusions=("image",), ensemble=True, folds=3, workspace=workspace.root
        )
