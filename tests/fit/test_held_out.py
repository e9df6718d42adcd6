"""No head learns from the rows that judge it, however they are held out."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmfeat
from mmfeat.config import FitSettings
from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError
from mmfeat.fit.held_out import with_folds
from mmfeat.fit.plan import plan_run
from mmfeat.fit.training_data import Stores, Training
from mmfeat.runs.run import Run
from mmfeat.store import StoredFeatures
from mmfeat.types import Features, FloatArray

N_ROWS, CHANGED = 60, 30  # the labels of the last rows change


def make_split(
    root: Path, split: str = "train", *, seed: int = 0, changed: int = N_ROWS, **columns: Any
) -> None:
    """A table whose labels follow from its embeddings, but for those of rows from `changed`."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N_ROWS, 6)).astype(np.float32)
    y = x[:, :2] + 0.3 * rng.normal(size=(N_ROWS, 2)) > 0
    y[changed:] = ~y[changed:]
    np.save(root / "x.npy", x)
    lines = ["ImageID,a,b,fold,day,kin"]
    for row, (a, b) in enumerate(y.astype(int).tolist()):
        lines.append(f"{split}{row},{a},{b},f{row % 3},2024-01-{1 + row // 4:02},k{row // 2}")
    (root / f"{split}.csv").write_text("\n".join(lines) + "\n")
    mmfeat.import_embeddings(
        root / f"{split}.csv",
        image=root / "x.npy",
        text=root / "x.npy",
        workspace=root,
        label_cols=["a", "b"],
        **columns,
    )


def fit(root: Path, **options: Any) -> Run:
    return mmfeat.fit(workspace=root, **{"fusion": "image", "folds": 3, **options})


def predicted(root: Path, run: Run) -> FloatArray:
    return mmfeat.predict(run, split="val", workspace=root).predictions.probabilities


@pytest.mark.parametrize(
    ("n_rows", "n_groups", "n_folds"),
    [
        (60, 60, 5),
        (150, 150, 10),
        (1_000, 1_000, 20),
        (1_001, 1_001, 5),
        (600, 45, 15),
        (600, 3, 5),
    ],
)
def test_few_rows_have_more_folds(n_rows: int, n_groups: int, n_folds: int) -> None:
    targets = np.zeros((n_rows, 1), np.uint8)
    features = Features(
        ids=tuple(map(str, range(n_rows))),
        embeddings={"image": (np.zeros((n_rows, 1), np.float16),)},
        targets=targets,
        labels=("a",),
        groups=np.arange(n_rows) % n_groups,
    )
    rows = Training(features=features, targets=targets, digest="", provenance=[])
    assert with_folds(plan_run(FitSettings()), rows).folds == n_folds
    assert with_folds(plan_run(FitSettings(folds=3)), rows).folds == 3
    in_time = replace(rows, times=np.arange(float(n_rows)))
    assert with_folds(plan_run(FitSettings()), in_time).folds == 5


def test_the_table_names_the_folds(tmp_path: Path) -> None:
    make_split(tmp_path, fold_col="fold", group_cols=["kin"])
    run = fit(tmp_path, head="logreg")
    assert run.oof.folds.tolist() == [row % 3 for row in range(N_ROWS)]
    assert run.judged_by == "the table's own folds"  # which cut all the groups
    random = fit(tmp_path, head="logreg", fold_by="random")
    assert random.judged_by.startswith(f"3 random folds; {N_ROWS} related rows stay together, in ")


@pytest.mark.parametrize("head", ["logreg", "mlp", "knn", "lightgbm"])
def test_in_time_no_score_depends_on_later_labels(tmp_path: Path, head: str) -> None:
    scores = {}
    for changed in (N_ROWS, CHANGED):
        root = tmp_path / str(changed)
        root.mkdir()
        make_split(root, time_col="day", changed=changed)
        run = fit(root, head=head)
        assert run.judged_by == "3 folds forward in time"
        scores[changed] = dict(zip(run.oof.ids, run.oof.probabilities, strict=True))
    before, after = scores.values()
    assert len(before) == 48  # the first block is only learned from
    for name in before:
        if int(name.removeprefix("train")) < CHANGED:
            np.testing.assert_array_equal(before[name], after[name])
    assert any((before[name] != after[name]).any() for name in before)


def test_another_split_judges_and_is_not_learned_from(tmp_path: Path) -> None:
    scores = {}
    for changed in (N_ROWS, 0):
        root = tmp_path / str(changed)
        root.mkdir()
        make_split(root)
        make_split(root, "val", seed=1, changed=changed)
        run = fit(root, head="logreg", validation="val")
        assert run.oof.ids == tuple(f"val{row}" for row in range(N_ROWS))
        assert run.judged_by == "the split val"
        scores[changed] = run.oof.probabilities
        answer = predicted(root, run)  # by the head that was judged
        np.testing.assert_allclose(answer, scores[changed], atol=1e-6)
    first, second = scores.values()
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("settings", [{}, {"final": "refit"}])
def test_a_split_that_judges_may_stay_in_its_file(tmp_path: Path, settings: dict[str, str]) -> None:
    make_split(tmp_path, group_cols=["kin"])
    make_split(tmp_path, "val", seed=1)
    options: dict[str, Any] = {"validation": "val", "settings": settings}
    whole, streamed = (
        fit(tmp_path, head="logreg", max_memory=max_memory, **options)
        for max_memory in (None, "20kB")
    )
    assert streamed.oof.ids == whole.oof.ids and "the split val" in streamed.judged_by
    np.testing.assert_array_equal(streamed.oof.targets, whole.oof.targets)
    for one, other in [
        (streamed.oof.probabilities, whole.oof.probabilities),
        (predicted(tmp_path, streamed), predicted(tmp_path, whole)),
    ]:
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_rows_of_two_splits_are_read_in_turn_also_by_another_process(tmp_path: Path) -> None:
    for seed, split in enumerate(("train", "val")):
        make_split(tmp_path, split, seed=seed)
    config = fit(tmp_path, head="knn", validation="val").config
    space = Workspace(tmp_path)
    whole = Stores.of(config).load(space).features
    rows = Stores.of(replace(config, max_memory=20_000)).load(space).features
    again = pickle.loads(pickle.dumps(rows))
    assert isinstance(rows, StoredFeatures) and again.n_rows == 2 * N_ROWS
    for part in (slice(50, 70), slice(5, 9), slice(100, None), slice(0)):
        expected = whole.part(part).embeddings["image"][0]
        for features in (rows, again):
            np.testing.assert_array_equal(features.part(part).embeddings["image"][0], expected)
            assert features.part(part).ids == whole.ids[part]


def test_a_refit_on_the_split_that_judges_is_made_where_it_is_asked_for(tmp_path: Path) -> None:
    make_split(tmp_path)
    make_split(tmp_path, "val", seed=1)
    kept = fit(tmp_path, head="knn", validation="val")
    refitted = fit(tmp_path, head="knn", validation="val", settings={"final": "refit"})
    assert not np.array_equal(predicted(tmp_path, kept), predicted(tmp_path, refitted))


@pytest.mark.parametrize("way", [{"time_col": "day"}, {"fold_col": "fold"}, {}])
def test_late_fusions_ensembles_and_decisions_work_with_each(
    tmp_path: Path, way: dict[str, Any]
) -> None:
    make_split(tmp_path, **way)
    make_split(tmp_path, "val", seed=1)
    options = {} if way else {"validation": "val"}
    runs = [
        fit(tmp_path, head="logreg", **options),
        fit(tmp_path, head="knn", **options),
        fit(tmp_path, head="knn", fusion="late-stack", **options),
    ]
    names = ",".join(run.name for run in runs[:2])
    ensemble = fit(tmp_path, head="ensemble", settings={"runs": names}, **options)
    for run in (runs[2], ensemble):
        assert run.oof.ids == runs[0].oof.ids
        decision = mmfeat.tune(run, workspace=tmp_path)
        worth = decision.oof["nested"]["macro_f1"]
        assert worth is not None and worth > 0.5


def test_groups_stay_together(tmp_path: Path) -> None:
    make_split(tmp_path, group_cols=["kin"])
    oof = fit(tmp_path, head="knn").oof
    assert (oof.folds[::2] == oof.folds[1::2]).all()
    assert oof.groups is not None and len(set(oof.groups.tolist())) == N_ROWS // 2


def test_what_the_table_does_not_have_is_refused(tmp_path: Path) -> None:
    make_split(tmp_path)
    with pytest.raises(FitError, match="made without --time-col"):
        fit(tmp_path, head="knn", fold_by="time")
    with pytest.raises(FitError, match="takes another split"):
        fit(tmp_path, head="knn", validation="train")
    assert not list(Workspace(tmp_path).runs.glob("*/config.json"))
