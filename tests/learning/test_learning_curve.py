"""The verb and the command: the curve of a run, kept, on the page, and refused in one line."""

from __future__ import annotations

import json

import numpy as np
import pytest

import mmfeat as verbs
from mmfeat.config import ThresholdSettings
from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError, RunError
from mmfeat.learning import fits
from mmfeat.learning.curve import LearningCurve
from mmfeat.learning.kept import find_learning_curve
from mmfeat.report import ReportOptions, write_report
from mmfeat.runs.run import Run
from tests.support.workspaces import Mmfeat, error_line, import_split


@pytest.fixture
def run(workspace: Workspace) -> Run:
    import_split(workspace, "many", n_rows=240, uncertain=0.1)
    return verbs.fit("many", head="knn", fusion="concat", folds=2, workspace=workspace.root)


def test_the_last_point_is_the_run(
    workspace: Workspace, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    curve = verbs.learning_curve(run, points=4, workspace=workspace.root)
    sizes = [point.n_trained for point in curve.points]
    assert sizes == sorted(sizes) and len(sizes) == 4 and sizes[-1] == 120
    decision = run.tune("macro-f1")
    assert curve.points[-1].value == decision.oof["nested"]["macro_f1"]
    assert list(curve.points[-1].interval) == pytest.approx(decision.intervals["nested"], abs=1e-6)
    assert LearningCurve.from_json(json.loads(json.dumps(curve.to_json()))) == curve
    assert {each.label for each in curve.classes} <= set(run.labels)
    monkeypatch.setattr(fits, "out_of_fold", None)  # all scores are kept
    assert verbs.learning_curve(run, points=4, workspace=workspace.root) == curve
    other = verbs.learning_curve(run, points=4, objective="micro-f1", workspace=workspace.root)
    assert other.objective == "micro-f1"


def test_a_damaged_score_is_fitted_again(workspace: Workspace, run: Run) -> None:
    curve = verbs.learning_curve(run, points=4, workspace=workspace.root)
    (kept,) = workspace.folds.glob("learning-*.json")
    kept.unlink()
    next(workspace.cache.rglob("*.h5")).write_bytes(b"broken")
    assert verbs.learning_curve(run, points=4, workspace=workspace.root) == curve
    kept.write_text("{}")
    with pytest.raises(RunError, match="saved as JSON with its sha256"):
        verbs.learning_curve(run, points=4, workspace=workspace.root)


def test_late_fusions_and_options(workspace: Workspace) -> None:
    import_split(workspace, "many", n_rows=200)
    curve = verbs.learning_curve(
        points=4,
        split="many",
        head="knn",
        fusion="late-stack",
        folds=2,
        workspace=workspace.root,
    )
    assert curve.points[-1].n_trained == 100


def test_what_is_refused(workspace: Workspace, run: Run) -> None:
    few = verbs.fit("train", head="knn", fusion="image", folds=2, workspace=workspace.root)
    with pytest.raises(FitError, match="needs heads that learn from 80 rows"):
        verbs.learning_curve(few, workspace=workspace.root)
    workspace.store("many").unlink()
    import_split(workspace, "many", n_rows=240, seed=5)
    with pytest.raises(RunError, match="have changed since"):
        verbs.learning_curve(run, workspace=workspace.root)


def test_shares_rise_to_all_rows() -> None:
    assert fits.shares_of(1600, 2000, 6)[0] == 1 / 16
    assert fits.shares_of(160, 200, 6)[0] == fits.shares_of(160, 40, 6)[0] == 1 / 4
    with pytest.raises(FitError, match="rows in 19 groups"):
        fits.shares_of(1600, 19, 6)


def test_the_command_and_the_page(workspace: Workspace, run: Run, mmfeat: Mmfeat) -> None:
    here = ("-w", workspace.root)
    shown = mmfeat("learning-curve", run.name, "--points", "4", "--per-class", *here)
    assert shown.exit_code == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert max(map(len, lines)) <= 80 and shown.stdout.count("measured") == 4
    document = json.loads(
        mmfeat("learning-curve", run.name, "--points", "4", "--json", *here).stdout
    )
    assert " ".join(document["verdict"].split()) in " ".join(shown.stdout.split())
    assert "both are given" in error_line(
        mmfeat, "learning-curve", run.name, "--head", "knn", *here
    )
    found = find_learning_curve(workspace, run, ThresholdSettings())
    assert found is not None and np.isclose(found.points[-1].value, document["points"][-1]["value"])
    page = write_report(workspace.report, workspace, options=ReportOptions())
    assert page.more_rows is not None and page.more_rows.curve == found
    assert "Learning curve" in workspace.report.read_text()
