from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfeat.config import DataSettings, FitSettings
from mmfeat.core.workspace import Workspace
from mmfeat.errors import ConfigError, FitError, PluginError, RunError, StoreError
from mmfeat.extract.importing import store_embeddings
from mmfeat.fit.heads.knn import KNN
from mmfeat.fit.models import stacked_model
from mmfeat.fit.models.head_model import HeadModel
from mmfeat.fit.models.model import load_model
from mmfeat.fit.plan import plan_run
from mmfeat.fit.recipes import RECIPES
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import load_training
from mmfeat.runs.folds import Folds
from mmfeat.runs.listing import find_run
from mmfeat.tables import read_table
from tests.support.stage_one.toy import features_of
from tests.support.workspaces import import_split

KNN_FIT = FitSettings(head="knn", folds=3)


def test_out_of_fold_scores_come_from_models_that_never_saw_the_row(workspace: Workspace) -> None:
    training = load_training(workspace, "train")
    run = fit_run(workspace, plan_run(KNN_FIT), training)
    scores = run.oof
    features = features_of(training)
    for fold in range(3):
        inside, outside = np.flatnonzero(scores.folds != fold), np.flatnonzero(scores.folds == fold)
        model = HeadModel.make(head="knn", fusion="concat")
        again = features.take(inside)
        list(model.cross_validate(again, Folds(np.arange(len(inside)) % 2)))
        expected = model.fit(again).predict_proba({(): features.take(outside)})
        np.testing.assert_allclose(scores.probabilities[outside], expected, atol=1e-6)


def test_all_runs_share_the_folds(workspace: Workspace) -> None:
    training = load_training(workspace, "train")
    folds = [
        fit_run(workspace, plan_run(replace(KNN_FIT, fusion=fusion)), training).oof.folds
        for fusion in ("image", "text")
    ]
    np.testing.assert_array_equal(folds[0], folds[1])
    assert len(list(workspace.folds.glob("*-k3-*.json"))) == 1
    fit_run(workspace, plan_run(replace(KNN_FIT, seed=1)), training)
    assert len(list(workspace.folds.glob("*-k3-*.json"))) == 2


def test_a_run_keeps_the_losses_of_its_folds(workspace: Workspace) -> None:
    training = load_training(workspace, "train")
    assert fit_run(workspace, plan_run(KNN_FIT), training).history == {}
    options = FitSettings(head="mlp", fusion="late-sum", folds=3)
    history = fit_run(workspace, plan_run(options, settings={"epochs": "2"}), training).history
    assert list(history) == ["image", "text", "decision"]
    for folds in history.values():
        assert len(folds) == 3
    assert all(len(fold["train"]) == 2 for fold in history["image"])


def test_another_store_makes_another_run(workspace: Workspace) -> None:
    config = plan_run(KNN_FIT)
    first = fit_run(workspace, config, load_training(workspace, "train"), name="mine")
    assert first.is_done
    workspace.store("train").unlink()
    import_split(workspace, "train", seed=3)
    changed = load_training(workspace, "train")
    with pytest.raises(RunError, match="another digest"):
        fit_run(workspace, config, changed, name="mine")
    assert (
        fit_run(workspace, config, changed).name
        != fit_run(workspace, config, changed, name="b").name
    )


def test_an_interrupted_fit_keeps_its_folds(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, training = plan_run(KNN_FIT), load_training(workspace, "train")
    whole = fit_run(workspace, config, training, name="whole").oof.probabilities
    fitted: list[int] = []
    original = KNN._fit

    def dying(self: KNN, *arguments: Any) -> None:
        fitted.append(1)
        if len(fitted) == 3:
            raise KeyboardInterrupt
        original(self, *arguments)

    monkeypatch.setattr(KNN, "_fit", dying)
    with pytest.raises(KeyboardInterrupt):
        fit_run(workspace, config, training, name="cut")
    with pytest.raises(RunError, match="DONE"):
        find_run(workspace, "cut")
    run = fit_run(workspace, config, training, name="cut")
    assert len(fitted) == 3 + 1 + 1  # two folds and the third that died; that fold; the refit
    np.testing.assert_array_equal(run.oof.probabilities, whole)
    assert not (run.folder / "folds").exists()


def test_a_row_without_embeddings_is_counted_and_fitted(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    training = load_training(workspace, "train")
    image = features_of(training).embeddings["image"][0].copy()
    image[:2] = np.nan
    features = features_of(training)
    embeddings = {**features.embeddings, "image": (image,)}
    broken = replace(training, features=replace(features, embeddings=embeddings))
    with caplog.at_level(logging.WARNING, logger="mmfeat"):
        run = fit_run(workspace, plan_run(KNN_FIT), broken)
    assert "2 of 60 rows have no image embedding" in caplog.text
    assert np.isfinite(run.oof.probabilities).all()


def test_a_recipe_sets_what_goes_together() -> None:
    name, recipe = next(iter(RECIPES.items()))
    config = plan_run(FitSettings(), recipe=name, settings={"epochs": "7"})
    assert (config.head, config.fusion) == (recipe.head, recipe.fusion)
    assert config.settings == {**recipe.settings, "epochs": "7"}
    with pytest.raises(PluginError, match="guo2024"):
        plan_run(FitSettings(), recipe="no such")


def test_what_cannot_be_fitted_is_said_before_work_begins(workspace: Workspace) -> None:
    for wrong, error in (
        (FitSettings(head="none"), PluginError),
        (FitSettings(fusion="none"), PluginError),
        (FitSettings(head="mlp", loss="none"), PluginError),
        (FitSettings(head="knn", fusion="gated"), ConfigError),
    ):
        with pytest.raises(error):
            plan_run(wrong)
    with pytest.raises(ConfigError, match="'x'"):
        plan_run(KNN_FIT, settings={"x": "1"})
    with pytest.raises(FitError, match="fold"):
        fit_run(workspace, plan_run(replace(KNN_FIT, folds=61)), load_training(workspace, "train"))
    with pytest.raises(StoreError, match="valid"):
        load_training(workspace, "valid")


def test_a_table_without_labels_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("ImageID\na\nb\n")
    np.save(tmp_path / "t.npy", np.ones((2, 3), np.float32))
    table = read_table(tmp_path / "t.csv", data=DataSettings())
    out = workspace.store("plain")
    store_embeddings(table, {"image": tmp_path / "t.npy"}, out=out, encoder_name="x")
    with pytest.raises(FitError, match="labels"):
        load_training(workspace, "plain")


def test_several_feature_sets_are_joined(workspace: Workspace) -> None:
    for name in ("a", "b"):
        import_split(workspace, "train", features=name, encoder=name)
    training = load_training(workspace, "train", ("a", "b"))
    parts = {m: len(arrays) for m, arrays in features_of(training).embeddings.items()}
    assert parts == {"image": 2, "text": 2}
    run = fit_run(workspace, plan_run(KNN_FIT, features=("a", "b")), training)
    assert [origin["encoder"]["name"] for origin in run.provenance["stores"]] == ["a", "b"]
    config = json.loads((run.folder / "config.json").read_text())
    assert config["features"] == ["a", "b"]


@pytest.mark.parametrize("head", ["logreg", "mlp"])
@pytest.mark.parametrize("fusion", ["late-mean", "late-sum", "late-stack"])
def test_finished_runs_are_taken_as_sources_with_the_same_result(
    workspace: Workspace, head: str, fusion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = load_training(workspace, "train")
    test = features_of(load_training(workspace, "test"))
    settings = {"epochs": "2"} if head == "mlp" else {}
    config = plan_run(FitSettings(head=head, fusion=fusion, folds=3), settings=settings)
    whole = fit_run(workspace, config, training, name="whole")
    sources = [
        fit_run(
            workspace,
            plan_run(FitSettings(head=head, fusion=source, folds=3), settings=settings),
            training,
        )
        for source in ("image", "text")
    ]
    calls = []
    monkeypatch.setattr(stacked_model, "fold_checkpoints", lambda *a, **o: calls.append(a))
    taken = fit_run(workspace, config, training, name="taken")
    assert not calls
    np.testing.assert_array_equal(taken.oof.probabilities, whole.oof.probabilities)
    np.testing.assert_array_equal(
        load_model(taken).predict_proba({(): test}),
        load_model(whole).predict_proba({(): test}),
    )
    cost = sum(sum(source.metrics["seconds"].values()) for source in sources)
    assert taken.metrics["seconds"]["taken"] == pytest.approx(cost, abs=1e-3)


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"folds": 4}, {"settings": {"C": "1"}}, {"settings": {"final": "average"}}],
)
def test_other_runs_are_no_sources(workspace: Workspace, other: dict[str, Any]) -> None:
    training = load_training(workspace, "train")
    image = plan_run(FitSettings(head="logreg", fusion="image", folds=3))
    fit_run(workspace, image, training)
    late = replace(image, fusion="late-mean", **other)
    assert "taken" not in fit_run(workspace, late, training).metrics["seconds"]
