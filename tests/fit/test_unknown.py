"""Fits on labels of which some are unknown: learned, judged and folded by what is known."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from mmfeat.config import FitSettings
from mmfeat.core.workspace import Workspace
from mmfeat.errors import ConfigError
from mmfeat.fit.fusion import FUSIONS
from mmfeat.fit.heads import HEADS
from mmfeat.fit.held_out import shared_folds
from mmfeat.fit.models.weights import fit_weights
from mmfeat.fit.plan import plan_run
from mmfeat.fit.recipes import RECIPES
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import load_training
from mmfeat.runs.config import RunConfig
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.runs.run import Run
from mmfeat.types import UNKNOWN, Features
from tests.support.fits.models import LATE, OF_PAIR, make_features, make_model, out_of_fold
from tests.support.workspaces import import_split

SETTINGS = {"mlp": {"epochs": "20", "hidden": "16"}, "lightgbm": {"trees": "10", "min_rows": "2"}}


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A store of which 30 % of the labels are unknown, and the same with all known."""
    made = Workspace(tmp_path_factory.mktemp("unknown") / "work")
    import_split(made, "train", n_rows=150, uncertain=0.3)
    import_split(made, "whole", n_rows=150)
    return made


def plan(head: str = "logreg", **options: Any) -> RunConfig:
    return plan_run(FitSettings(head=head, folds=3, **options), settings=SETTINGS.get(head, {}))


def fit(space: Workspace, head: str, **options: Any) -> Run:
    return fit_run(space, plan(head, **options), load_training(space, "train"))


@pytest.mark.parametrize("head", ["logreg", "mlp", "lightgbm", "knn"])
def test_learning_what_is_known_beats_taking_it_for_negative(space: Workspace, head: str) -> None:
    truth = load_training(space, "whole").targets
    runs = {unknown: fit(space, head, unknown=unknown) for unknown in ("ignore", "negative")}
    worth = {
        unknown: ((run.oof.probabilities >= 0.5) == truth).mean() for unknown, run in runs.items()
    }
    assert worth["ignore"] > worth["negative"]
    first, second = (run.oof for run in runs.values())
    assert (first.targets == UNKNOWN).mean() == pytest.approx(0.3, abs=0.05)
    assert np.array_equal(first.targets, second.targets)
    assert np.array_equal(first.folds, second.folds)
    row = runs["ignore"].metrics["oof"]["per_class"][0]
    assert row["known"] == (first.targets[:, 0] != UNKNOWN).sum() < 150


def test_only_what_differs_from_the_usual_is_in_the_name() -> None:
    assert plan().name("digest") == plan(unknown="ignore").name("digest")
    assert plan().name("digest") != plan(unknown="negative").name("digest")
    with pytest.raises(ConfigError, match="--unknown"):
        plan(unknown="perhaps")


def test_a_fit_tells_how_much_is_unknown(
    space: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    told = "% of the labels are unknown and count nowhere"
    with caplog.at_level(logging.INFO):
        load_training(space, "whole")
        assert not any(told in message for message in caplog.messages)
        load_training(space, "train")
    assert sum(told in message for message in caplog.messages) == 1


def holes(share: float = 0.3) -> Features:
    features = make_features()
    assert features.targets is not None
    hidden = np.random.default_rng(3).random(features.targets.shape) < share
    return Features(
        ids=features.ids,
        embeddings=features.embeddings,
        targets=np.where(hidden, UNKNOWN, features.targets).astype(np.uint8),
        labels=features.labels,
        prompts=features.prompts,
    )


@pytest.mark.parametrize("fusion", OF_PAIR)
@pytest.mark.parametrize("head", ["logreg", "mlp"])
def test_every_fusion_learns_from_what_is_known(head: str, fusion: str) -> None:
    if FUSIONS[fusion].kind == "learned" and head == "logreg":
        pytest.skip("learned inside torch heads")
    features = holes()
    model = make_model(head, fusion)
    scores = out_of_fold(model, features)
    assert np.isfinite(scores).all()
    if fusion in LATE:
        assert np.isfinite(out_of_fold(make_model(head, fusion, in_sample="true"), features)).all()


@pytest.mark.parametrize("head", HEADS)
def test_a_label_of_which_nothing_is_known_is_predicted_for_no_row(head: str) -> None:
    features = holes()
    assert features.targets is not None
    features.targets[:, 1] = UNKNOWN
    fusion = "mean" if head == "zeroshot" else "concat"
    scores = out_of_fold(make_model(head, fusion), features)
    assert np.isfinite(scores).all() and (scores[:, 1] == 0).all()


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_learn_from_what_is_known(space: Workspace, recipe: str) -> None:
    small = {"epochs": "3", "preset": "default"}  # of every part of the recipe
    parts = {key: key.rpartition(".")[2] for key in RECIPES[recipe].settings}
    quick = {key: small[option] for key, option in parts.items() if option in small}
    config = plan_run(FitSettings(folds=2), recipe=recipe, settings={**quick, "hidden": "8"})
    run = fit_run(space, config, load_training(space, "train"))
    assert np.isfinite(run.oof.probabilities).all()


def test_the_weights_of_an_ensemble_are_those_of_the_known_cells() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 200).astype(np.uint8)
    noise = rng.random((2, 200)).astype(np.float32)
    parts = (0.2 + 0.6 * np.stack([0.7 * targets, 0.4 * targets]) * noise).astype(np.float32)
    hidden = rng.random(200) < 0.4
    filled = np.where(hidden, UNKNOWN, targets).astype(np.uint8)
    for average in ("probability", "logit"):
        found = fit_weights(parts, filled, average=average)
        alone = fit_weights(parts[:, ~hidden], targets[~hidden], average=average)
        assert np.array_equal(found, alone)


def test_an_ensemble_of_runs_and_a_fit_within_memory(space: Workspace) -> None:
    names = ",".join(fit(space, head).name for head in ("logreg", "knn"))
    config = plan_run(FitSettings(head="ensemble"), settings={"runs": names}, workspace=space)
    joined = fit_run(space, config, load_training(space, "train"))
    assert np.isfinite(joined.oof.probabilities).all()
    for head in ("logreg", "mlp", "lightgbm"):
        run = fit(space, head, max_memory="100000000")
        whole, streamed = fit(space, head).oof.probabilities, run.oof.probabilities
        assert run.name != fit(space, head).name and np.abs(whole - streamed).mean() < 0.05


def test_folds_balance_known_positives(space: Workspace) -> None:
    training = load_training(space, "train")
    folds = shared_folds(space, plan(), training).held_out
    counts = np.array([(training.targets[folds == fold] == 1).sum(axis=0) for fold in range(3)])
    assert (np.ptp(counts, axis=0) <= 2).all()
    assert np.array_equal(
        make_folds(training.targets, n_folds=3, seed=0),
        make_folds((training.targets == 1).astype(np.uint8), n_folds=3, seed=0),
    )
