"""A dry run of a comparison tries a cell of each head aside, and writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmfeat.compare.dry_run import CompareForecast, forecast_compare
from mmfeat.errors import PluginError
from tests.support.workspaces import Mmfeat


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_cells_minutes_and_what_is_reused(project: Path, mmfeat: Mmfeat) -> None:
    def forecast() -> CompareForecast:
        fusions = ["image", "text", "joint"]  # the last needs what the store does not have
        return forecast_compare(heads=["knn", "logreg"], fusions=fusions, folds=3)

    before = files(project)
    found = forecast()
    assert files(project) == before
    assert (found.n_rows, found.n_cells, found.n_finished) == (240, 4, 0)
    measured = sum(found.measured.values())
    assert found.seconds > 0.999 * measured > 0  # they are summed in another order
    assert found.n_bytes > 0 and len(found.measured) == 3
    line = ("--heads", "knn", "--fusions", "image,text", "--folds", "3")
    assert mmfeat("compare", *line, "--quiet").exit_code == 0
    assert forecast().n_finished == 2
    told = mmfeat("compare", *line, "--dry-run").stdout
    assert "2 cells" in told and "2 of them finished" in told and "to do" not in told


def test_an_unknown_head_is_refused(project: Path) -> None:
    with pytest.raises(PluginError, match="did you mean 'logreg'"):
        forecast_compare(heads=["lgreg"])
