"""Labels that are left out are neither fitted, judged nor predicted; nothing is encoded again."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from mmfeat.config import FitSettings
from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError
from mmfeat.fit.plan import plan_run
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import Stores, load_training
from mmfeat.predict.scores import predict_scores
from mmfeat.runs.config import RunConfig
from tests.support.workspaces import Mmfeat, error_line


def config(**options: object) -> RunConfig:
    return plan_run(FitSettings(head="logreg", folds=3, **options))  # type: ignore[arg-type]


def test_a_label_that_is_left_out_is_nowhere(workspace: Workspace) -> None:
    asked = config(exclude_labels=("l1",))
    run = fit_run(workspace, asked, Stores.of(asked).load(workspace))
    assert run.labels == run.oof.labels == ("l0", "l2")
    assert predict_scores(run, workspace, "test").probabilities.shape == (20, 2)
    whole = fit_run(workspace, config(), load_training(workspace, "train"))
    assert whole.name != run.name and len(whole.labels) == 3
    again = fit_run(workspace, asked, Stores.of(asked).load(workspace))
    assert again.config == asked


def test_rare_labels_are_left_out(workspace: Workspace) -> None:
    counts = load_training(workspace, "train").targets.sum(axis=0)
    rarest = int(counts.min())
    kept = load_training(workspace, "train", min_positives=rarest + 1)
    assert kept.features.labels == tuple(
        f"l{at}" for at, count in enumerate(counts) if count > rarest
    )
    with pytest.raises(FitError, match="all 3 are left out"):
        load_training(workspace, "train", min_positives=10**6)
    with pytest.raises(FitError, match="'L1' is not one of the 3; did you mean 'l1'"):
        load_training(workspace, "train", exclude_labels=["L1"])


def test_rows_in_their_files_keep_their_labels_in_another_process(workspace: Workspace) -> None:
    stored = load_training(workspace, "train", (), 1 << 12, exclude_labels=["l0"]).features
    for features in (stored, pickle.loads(pickle.dumps(stored))):
        part = features.part(slice(0, 5))
        assert features.labels == part.labels == ("l1", "l2")
        assert part.targets is not None
        np.testing.assert_array_equal(part.targets, stored.part(slice(0, 5)).targets)


def test_runs_from_before_keep_their_names() -> None:
    assert config().name("digest") == config(min_positives=0, exclude_labels=()).name("digest")
    assert config(min_positives=1).name("digest") != config().name("digest")


def test_the_commands_leave_labels_out(project: Path, mmfeat: Mmfeat) -> None:
    lines = [
        "fit --head knn --folds 2 --exclude-labels 1,2 --name r",
        "tune-thresholds r",
        "predict r --split test --out p.csv",
        "compare --heads knn,logreg --fusions image --folds 2 --min-positives 30 --jobs 2",
    ]
    for line in lines:
        result = mmfeat(*line.split())
        assert result.exit_code == 0, result.stderr
    assert "labels are left out: 2 excluded" in mmfeat(*lines[0].split()).stderr
    header = Path("p.csv").read_text().splitlines()[0].split(",")
    assert "1" not in header and "2" not in header and "3" in header
    assert "is not one of the 18" in error_line(mmfeat, "fit", "--exclude-labels", "11111")
