"""Near-copies stay in one fold, in every command that fits, unless that is switched off."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmfeat.config import FitSettings
from mmfeat.core.workspace import Workspace
from mmfeat.errors import ConfigError
from mmfeat.fit.plan import plan_run
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import Stores, load_training
from mmfeat.store import StoredFeatures
from tests.support.made_up.near import nearly, store_vectors, vectors
from tests.support.workspaces import Mmfeat

N_ROWS, N_COPIES = 150, 30


@pytest.fixture
def copies(workspace: Workspace) -> Workspace:
    """The split copies: its last rows are near-copies of its first."""
    rows = vectors(N_ROWS)
    store_vectors(workspace, "copies", np.concatenate([rows, nearly(rows[:N_COPIES])]))
    return workspace


def config(**options: object) -> FitSettings:
    return FitSettings(split="copies", head="knn", fusion="image", folds=3, **options)  # type: ignore[arg-type]


def test_they_stay_in_one_fold(copies: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    run = fit_run(copies, plan_run(config()), load_training(copies, "copies"))
    folds, groups = run.oof.folds, run.oof.groups
    np.testing.assert_array_equal(folds[N_ROWS:], folds[:N_COPIES])
    assert groups is not None and len(np.unique(groups)) == N_ROWS
    assert "60 of 180 rows have a near-copy and stay in its fold: 60 by image" in caplog.text
    off = plan_run(config(near_copies="off"))
    other = fit_run(copies, off, Stores.of(off).load(copies))
    assert other.name != run.name and other.oof.groups is None
    assert (other.oof.folds[N_ROWS:] != other.oof.folds[:N_COPIES]).any()


def test_rows_in_their_files_have_the_same_groups(copies: Workspace) -> None:
    whole = load_training(copies, "copies")
    stored = load_training(copies, "copies", (), 1 << 12)
    assert whole.digest == stored.digest
    assert whole.features.groups is not None and stored.features.groups is not None
    np.testing.assert_array_equal(whole.features.groups, stored.features.groups)


def test_runs_without_near_copies_keep_their_names(workspace: Workspace) -> None:
    store_vectors(workspace, "copies", vectors(N_ROWS))
    on, off = (
        load_training(workspace, "copies"),
        load_training(workspace, "copies", near_copies="off"),
    )
    assert on.digest == off.digest and on.features.groups is None
    planned = plan_run(config())
    assert planned.name("digest") != replace(planned, near_copies="off").name("digest")


def test_feature_sets_of_one_split_share_folds(copies: Workspace) -> None:
    rows = vectors(N_ROWS + N_COPIES, seed=7)  # another encoder, in which there are no copies
    store_vectors(copies, "copies", rows, features="b")
    first = load_training(copies, "copies").features.groups
    second = load_training(copies, "copies", ("b",)).features.groups
    assert first is not None and second is not None
    np.testing.assert_array_equal(first, second)


def test_another_process_keeps_the_groups(copies: Workspace) -> None:
    own = load_training(copies, "copies", max_memory=1).features
    other = pickle.loads(pickle.dumps(own))
    assert isinstance(own, StoredFeatures) and own.groups is not None
    np.testing.assert_array_equal(other.groups, own.groups)


def test_the_choice_is_checked() -> None:
    with pytest.raises(ConfigError, match="--near-copies"):
        plan_run(config(near_copies="maybe"))


def test_the_commands(project: Path, mmfeat: Mmfeat) -> None:
    for line in (
        "fit --head knn --folds 2 --near-copies off --name r",
        "compare --heads knn --fusions image --folds 2 --near-copies off",
    ):
        result = mmfeat(*line.split())
        assert result.exit_code == 0, result.stderr
        assert "near-copy" not in result.stderr
    assert mmfeat("fit", "--near-copies", "maybe").exit_code == 1
