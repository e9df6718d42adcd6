"""Folds: stratified, complete, deterministic, saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfeat.config import DataSettings, FitSettings
from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError, RunError
from mmfeat.extract.importing import store_embeddings
from mmfeat.fit.plan import plan_run
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import load_training
from mmfeat.runs.folds.file import load_folds, save_folds
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.runs.folds.twins import count_leaks
from mmfeat.tables import read_table
from mmfeat.types import Features


def draw(n_rows: int, n_labels: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rates = rng.random(n_labels) ** 3 * 0.5
    return (rng.random((n_rows, n_labels)) < rates).astype(np.uint8)


@given(
    n_rows=st.integers(20, 120),
    n_labels=st.integers(1, 8),
    n_folds=st.integers(2, 6),
    seed=st.integers(0, 10_000),
)
def test_every_row_has_a_fold_and_folds_are_even(
    n_rows: int, n_labels: int, n_folds: int, seed: int
) -> None:
    targets = draw(n_rows, n_labels, seed)
    folds = make_folds(targets, n_folds=n_folds, seed=seed)
    sizes = np.bincount(folds, minlength=n_folds)
    assert folds.dtype == np.int64
    assert sizes.sum() == n_rows
    assert sizes.min() > 0.5 * n_rows / n_folds - 2
    np.testing.assert_array_equal(folds, make_folds(targets, n_folds=n_folds, seed=seed))


@pytest.mark.parametrize("seed", range(20))
def test_every_fold_gets_a_positive_of_every_class_that_has_enough(seed: int) -> None:
    targets = draw(300, 20, seed)
    folds = make_folds(targets, n_folds=5, seed=seed)
    enough = targets.sum(axis=0) >= 5
    for fold in range(5):
        assert (targets[folds == fold].sum(axis=0)[enough] >= 1).all()


def test_classes_are_spread_better_than_by_chance() -> None:
    targets = draw(2000, 10)
    shares = targets.mean(axis=0)

    def spread(folds: np.ndarray) -> float:
        return float(np.std([targets[folds == f].mean(axis=0) - shares for f in range(5)]))

    chance = np.random.default_rng(1).permutation(2000) % 5
    assert spread(make_folds(targets, n_folds=5, seed=0)) < spread(chance) / 5


def test_another_seed_gives_other_folds() -> None:
    targets = draw(200, 5)
    one, other = (make_folds(targets, n_folds=5, seed=seed) for seed in (0, 1))
    assert (one != other).any()


def test_rows_without_labels_are_shared_out() -> None:
    folds = make_folds(np.zeros((10, 3), dtype=np.uint8), n_folds=5, seed=0)
    np.testing.assert_array_equal(np.bincount(folds), [2] * 5)


@pytest.mark.parametrize(("n_rows", "n_folds"), [(3, 5), (0, 2), (9, 1)])
def test_too_few_rows_are_told(n_rows: int, n_folds: int) -> None:
    with pytest.raises(FitError, match=f"{n_folds} folds of {n_rows} rows"):
        make_folds(np.zeros((n_rows, 2), dtype=np.uint8), n_folds=n_folds, seed=0)


def test_folds_are_saved_and_read(tmp_path: Path) -> None:
    folds = make_folds(draw(50, 4), n_folds=5, seed=0)
    save_folds(tmp_path / "folds.json", folds)
    np.testing.assert_array_equal(load_folds(tmp_path / "folds.json"), folds)


def test_broken_folds_are_told(tmp_path: Path) -> None:
    (tmp_path / "folds.json").write_text('{"folds": ')
    with pytest.raises(RunError, match="JSON"):
        load_folds(tmp_path / "folds.json")


def test_twins_across_folds_are_counted() -> None:
    rows = np.arange(12, dtype=np.float16).reshape(6, 2)
    rows[4] = rows[0]
    rows[5] = rows[1]
    ids = tuple("abcdef")
    features = Features(ids=ids, embeddings={"image": (rows,)}, targets=None, labels=())
    folds = np.array([0, 1, 0, 1, 1, 1])
    assert count_leaks(features, folds) == 2  # rows 0 and 4; 1 and 5 share a fold
    embeddings = {**features.embeddings, "text": (np.arange(6)[:, None] / 2,)}
    assert count_leaks(replace(features, embeddings=embeddings), folds) == 0


def test_rows_without_an_embedding_are_no_twins() -> None:
    values = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    values[[0, 3, 5]] = np.nan
    features = Features(
        ids=tuple("abcdef"), embeddings={"text": (values,)}, targets=None, labels=()
    )
    assert count_leaks(features, np.array([0, 1, 0, 1, 0, 1])) == 0


@pytest.mark.parametrize("n_folds", [2, 5])
def test_rows_of_a_group_stay_together(n_folds: int) -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40, 200)
    targets = (rng.random((200, 4)) < 0.3).astype(np.uint8)
    folds = make_folds(targets, n_folds=n_folds, seed=1, groups=groups)
    assert all(len(set(folds[groups == group])) == 1 for group in np.unique(groups))
    assert set(folds) == set(range(n_folds))
    for fold in range(n_folds):
        assert (targets[folds == fold].sum(axis=0) > 0).all()
    alone = make_folds(targets, n_folds=n_folds, seed=1, groups=np.arange(200))
    np.testing.assert_array_equal(alone, make_folds(targets, n_folds=n_folds, seed=1))
    with pytest.raises(FitError, match="a group of rows"):
        make_folds(targets, n_folds=41, seed=1, groups=groups)


def test_rows_of_one_picture_are_fitted_in_one_fold(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    """Five captions for each picture, as in Flickr8k."""
    caplog.set_level("INFO")
    rng = np.random.default_rng(0)
    lines = [f"{row},{row // 5}.jpg,l{row // 5 % 2},words {row}" for row in range(60)]
    path = workspace.root / "captions.csv"
    path.write_text("\n".join(["ImageID,file,Labels,Caption", *lines]) + "\n")
    np.save(workspace.root / "e.npy", rng.normal(size=(60, 4)).astype(np.float32))
    table = read_table(path, data=DataSettings(image_col="file"))
    arrays = {"text": workspace.root / "e.npy"}
    store_embeddings(table, arrays, out=workspace.store("five"), encoder_name="x")
    config = plan_run(FitSettings(split="five", head="knn", fusion="text", folds=3))
    training = load_training(workspace, "five")
    run = fit_run(workspace, config, training)
    fit_run(workspace, replace(config, head="ridge"), training)
    assert caplog.text.count("are related") == 1
    assert (
        "60 of 60 rows are related: 12 groups with several rows, each kept in one fold"
        in caplog.messages
    )
    assert run.oof.groups is not None
    for picture in range(12):
        assert len(set(run.oof.folds[5 * picture : 5 * picture + 5])) == 1
        assert len(set(run.oof.groups[5 * picture : 5 * picture + 5])) == 1
