"""Ensembles: weights fitted out of fold, runs copied, predictions mixed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfeat.config import FitSettings
from mmfeat.core.workspace import Workspace
from mmfeat.decide.tune import tune
from mmfeat.errors import ConfigError, FitError, MmfeatError, RunError
from mmfeat.fit.models.ensemble import Ensemble
from mmfeat.fit.models.weights import choose_weights, fit_weights, mix
from mmfeat.fit.plan import plan_run
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import load_training
from mmfeat.predict.scores import predict_scores, read_statuses
from mmfeat.runs.folds import Folds
from mmfeat.runs.listing import find_run
from mmfeat.runs.run import Run
from mmfeat.runs.scores import write_scores
from mmfeat.types import UNKNOWN, FloatArray
from tests.support.workspaces import Mmfeat, import_split

MADE = FitSettings(head="logreg", folds=3)


@pytest.fixture
def runs(workspace: Workspace) -> dict[str, Run]:
    training = load_training(workspace, "train")
    return {
        name: fit_run(workspace, plan_run(config, settings=settings), training, name=name)
        for name, config, settings in (
            ("a", replace(MADE, fusion="image"), {"C": "1"}),
            ("b", replace(MADE, fusion="text"), {"C": "1"}),
            ("c", replace(MADE, head="knn"), {}),
        )
    }


def fit_ensemble(workspace: Workspace, name: str = "e", **settings: str) -> Run:
    config = plan_run(
        FitSettings(head="ensemble"), settings={"runs": "a,b,c", **settings}, workspace=workspace
    )
    return fit_run(workspace, config, load_training(workspace, "train", config.features), name=name)


def log_loss(p: np.ndarray, y: np.ndarray) -> float:
    p = p.clip(1e-7, 1 - 1e-7)
    return float(-np.where(y, np.log(p), np.log1p(-p)).mean())


@pytest.mark.parametrize("average", ["probability", "logit"])
@given(seed=st.integers(0, 200))
def test_no_weights_on_a_grid_are_better(average: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = (rng.random(150) < 0.3).astype(np.uint8)
    noise = rng.uniform(0.3, 3.0, size=(3, 1))
    logits = 4.0 * y - 2 + noise * rng.normal(size=(3, 150))
    parts: FloatArray = (1 / (1 + np.exp(-logits))).astype(np.float32)
    weights = fit_weights(parts, y, average=average)
    assert (weights >= 0).all() and weights.sum() == pytest.approx(1)

    def loss(w: np.ndarray) -> float:
        return log_loss(mix(parts[:, :, None], w, average)[:, 0].astype(np.float64), y)

    grid = [np.array([i, j, 10 - i - j]) / 10 for i in range(11) for j in range(11 - i)]
    assert loss(weights) <= min(map(loss, grid)) + 1e-5


@pytest.mark.parametrize("certain", [0.0, 1.0])
def test_certain_scores_and_constant_classes_are_borne(certain: float) -> None:
    parts = np.stack([np.full(5, certain, np.float32), np.full(5, 0.5, np.float32)])
    for average in ("probability", "logit"):
        for y in (np.zeros(5, np.uint8), np.ones(5, np.uint8)):
            assert np.isfinite(fit_weights(parts, y, average=average)).all()


def test_greedy_weights_favour_runs_that_rank_well() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random((300, 4)) < 0.2).astype(np.uint8)
    noise = rng.random((3, *y.shape))
    parts: FloatArray = ((np.array([0, 0.7, 0.7])[:, None, None] * y + noise) / 2).astype("f4")
    y[::9] = UNKNOWN
    weights = choose_weights(parts, y, average="probability")
    assert weights.sum() == pytest.approx(1)
    assert weights[0] < weights[1:].min() / 3


@pytest.mark.parametrize("average", ["probability", "logit"])
@pytest.mark.parametrize("weights", ["fitted", "greedy", "equal"])
def test_an_ensemble_is_a_run_like_any_other(
    workspace: Workspace, runs: dict[str, Run], average: str, weights: str
) -> None:
    run = fit_ensemble(workspace, average=average, weights=weights)
    scores = run.oof
    assert ((scores.probabilities >= 0) & (scores.probabilities <= 1)).all()
    own = [log_loss(r.oof.probabilities, scores.targets) for r in runs.values()]
    assert log_loss(scores.probabilities, scores.targets) < max(own)
    saved = json.loads((run.folder / "head/model.json").read_text())["weights"]
    shares = np.array([saved[name] for name in runs])
    assert shares.shape == (3,) and shares.sum() == pytest.approx(1)
    run.write_decision(tune(scores, objective="macro-f1"))
    predicted = predict_scores(run, workspace, "test")
    parts = [predict_scores(r, workspace, "test").probabilities for r in runs.values()]
    expected = mix(np.stack(parts), shares, average)
    np.testing.assert_allclose(predicted.probabilities, expected, atol=1e-6)
    assert predicted.labels == scores.labels
    assert set(read_statuses(run, workspace, "test")) == {"image_status", "text_status"}


def test_the_weights_of_a_fold_do_not_see_its_labels(
    workspace: Workspace, runs: dict[str, Run]
) -> None:
    training = load_training(workspace, "train")
    scores = runs["a"].oof
    inside = np.flatnonzero(scores.folds == 1)
    answers = []
    for flip in (False, True):
        targets = training.targets.copy()
        if flip:
            targets[inside] = 1 - targets[inside]
            for run in runs.values():  # their scores stay, their targets follow
                write_scores(run.folder / "scores.h5", replace(run.oof, targets=targets))
                run.finish()
        ensemble = Ensemble.find(workspace, {"runs": "a,b,c"})
        features = replace(training.features, targets=targets)
        folds = ensemble.cross_validate(features, Folds(scores.folds))
        answers.append({fold: values for fold, _, values in folds})
    np.testing.assert_array_equal(answers[0][1], answers[1][1])
    assert (answers[0][0] != answers[1][0]).any()


def test_it_needs_its_runs_no_more(workspace: Workspace, runs: dict[str, Run]) -> None:
    run = fit_ensemble(workspace)
    before = predict_scores(run, workspace, "test").probabilities
    for name in runs:
        shutil.rmtree(workspace.run(name))
    np.testing.assert_array_equal(predict_scores(run, workspace, "test").probabilities, before)
    (run.folder / "head/members/b/head/model.json").unlink()
    with pytest.raises(RunError, match=r"b/head/model\.json.*fit the run again"):
        predict_scores(run, workspace, "test")
    run.finish()  # even where the seal says that it is as it should be
    with pytest.raises(FitError, match="fit the run again"):
        predict_scores(run, workspace, "test")
    (run.folder / "head/model.json").write_text('{"kind": "ensemble", "weights": {"a": [1]}}')
    run.finish()
    with pytest.raises(FitError, match="fit the run again"):
        predict_scores(run, workspace, "test")


def test_a_damaged_run_is_not_made_part_of_an_ensemble(
    workspace: Workspace, runs: dict[str, Run]
) -> None:
    path = next((runs["c"].folder / "head").rglob("*.safetensors"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 4]) + whole[-8:])
    with pytest.raises(RunError, match="fit the run again"):
        fit_ensemble(workspace)


def test_the_same_again_is_finished_and_other_runs_are_another(
    workspace: Workspace, runs: dict[str, Run]
) -> None:
    fit_ensemble(workspace)
    assert fit_ensemble(workspace).name == "e"
    shutil.rmtree(runs["a"].folder)
    training = load_training(workspace, "train")
    fit_run(workspace, plan_run(replace(MADE, fusion="product")), training, name="a")
    with pytest.raises(RunError, match="another digest"):
        fit_ensemble(workspace)


def test_ensembles_of_ensembles_and_of_feature_sets(
    workspace: Workspace, runs: dict[str, Run]
) -> None:
    for name in ("x", "y"):
        import_split(workspace, "train", features=name, encoder=name)
        import_split(workspace, "test", n_rows=20, seed=7, features=name, encoder=name)
        training = load_training(workspace, "train", (name,))
        fit_run(workspace, plan_run(MADE, features=(name,)), training, name=f"of-{name}")
    both = fit_ensemble(workspace, "both", runs="of-x,of-y")
    assert both.config.features == ("x", "y")
    assert predict_scores(both, workspace, "test").probabilities.shape == (20, 3)
    fit_ensemble(workspace)
    nested = fit_ensemble(workspace, "nested", runs="e,both")
    assert predict_scores(nested, workspace, "test").probabilities.shape == (20, 3)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"runs": "a"}, ConfigError, "two or more"),
        ({"runs": "a,a"}, ConfigError, "two or more"),
        ({"runs": ""}, ConfigError, "two or more"),
        ({"C": "1"}, ConfigError, "'C' is not one"),
        ({"average": "median"}, ConfigError, "probability, logit"),
        ({"weights": "best"}, ConfigError, "fitted, greedy, equal"),
        ({"runs": "a,none"}, RunError, "'none' must exist"),
        ({"runs": "a,../b"}, ConfigError, "plain word"),
        ({"runs": "a,other"}, RunError, "other has other folds"),
        ({"runs": "a,b,short"}, RunError, "short has other ids"),
        ({"runs": "a,b,unfinished"}, RunError, "DONE"),
    ],
)
def test_what_does_not_fit_together_is_told(
    workspace: Workspace,
    runs: dict[str, Run],
    settings: dict[str, str],
    error: type[MmfeatError],
    message: str,
) -> None:
    training = load_training(workspace, "train")
    fit_run(workspace, plan_run(replace(MADE, seed=1), settings={"C": "1"}), training, name="other")
    import_split(workspace, "short", n_rows=40)
    short = load_training(workspace, "short")
    fit_run(workspace, plan_run(replace(MADE, split="short")), short, name="short")
    shutil.copytree(runs["a"].folder, workspace.run("unfinished"))
    Path(workspace.run("unfinished") / "DONE").unlink()
    with pytest.raises(error, match=message):
        fit_ensemble(workspace, **settings)


def test_the_command_line_makes_and_uses_one(
    mmfeat: Mmfeat, workspace: Workspace, runs: dict[str, Run]
) -> None:
    at = ("-w", workspace.root)
    result = mmfeat("fit", *at, "--head", "ensemble", "--set", "runs=a,b")
    assert result.exit_code == 0, result.stderr
    assert "weights: a 0." in result.stderr
    assert find_run(workspace, None).config.head == "ensemble"
    for command in ("tune-thresholds", "submit", "predict", "runs"):
        result = mmfeat(command, *at)
        assert result.exit_code == 0, (command, result.stderr)
    result = mmfeat("fit", *at, "--head", "ensemble", "--set", "runs=a,b", "--features", "x")
    assert result.exit_code == 1 and "features of its runs" in result.stderr
    assert "ensemble" in mmfeat("runs", *at).stdout
    assert "ensemble" in mmfeat("list", "heads").stdout
