"""Fits whose features stay in their files find what fits in memory find."""

from __future__ import annotations

import numpy as np
import pytest

from mmfeat.config import FitSettings
from mmfeat.core.plugins import resolve
from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError
from mmfeat.fit.fusion.fuse import FusedStream, fuse
from mmfeat.fit.heads import HEADS
from mmfeat.fit.heads.streaming import PASS_ROWS
from mmfeat.fit.models.head_model import HeadModel
from mmfeat.fit.models.model import load_model
from mmfeat.fit.models.stacked_model import StackedModel
from mmfeat.fit.plan import plan_run
from mmfeat.fit.run_fit import fit_run
from mmfeat.fit.training_data import load_training
from mmfeat.runs.folds import Folds
from mmfeat.store import StoredFeatures, read_features
from mmfeat.types import Fused, Matrix
from tests.support.fits.streaming import LITTLE, N_ROWS, SETTINGS, WIDTH, Noted, load

READ_PARTS = [name for name in HEADS if resolve(name, HEADS, "head").reads_parts]
# What streaming may move a probability by: nothing but rounding where no order is drawn.
CLOSE = {"logreg": 2e-3, "mlp": 0.15, "gmlp": 0.2, "lightgbm": 1e-6}


@pytest.mark.parametrize("head", SETTINGS)
def test_a_streamed_fit_finds_what_a_fit_in_memory_finds(many_rows: Workspace, head: str) -> None:
    found = {}
    for max_memory in (None, LITTLE):
        options = FitSettings(
            head=head,
            folds=3,
            max_memory=None if max_memory is None else str(max_memory),
        )
        config = plan_run(options, settings=SETTINGS[head])
        run = fit_run(many_rows, config, load(many_rows, max_memory))
        assert run.config.max_memory == max_memory
        found[max_memory] = run
    whole, streamed = (run.oof.probabilities for run in found.values())
    assert found[None].name != found[LITTLE].name
    assert np.abs(whole - streamed).mean() < CLOSE[head] / 5
    assert np.quantile(np.abs(whole - streamed), 0.99) < CLOSE[head]
    scores = [run.metrics["oof"]["at_0.5"]["macro_f1"] for run in found.values()]
    assert abs(scores[0] - scores[1]) < 0.02 and scores[1] > 0.7
    features = read_features([many_rows.store("train")])
    again = load_model(found[LITTLE]).predict_proba({(): features})
    assert np.abs(again - streamed).mean() < 0.1


@pytest.mark.parametrize("name", READ_PARTS)
def test_heads_that_read_parts_never_ask_for_all_rows(many_rows: Workspace, name: str) -> None:
    features = read_features([many_rows.store("train")])
    fused, folds = fuse(features, "concat"), np.arange(N_ROWS) % 3
    noted = Noted(fused.values, N_ROWS, in_memory=True)
    head = resolve(name, HEADS, "head").from_settings(SETTINGS.get(name, {}), seed=0)
    left, judged = np.flatnonzero(folds != 0), np.flatnonzero(folds == 0)
    scores = []
    for x in (fused.values, noted):
        given = Fused[Matrix](values=x, blocks=fused.blocks)
        fitted = next(head.fit_folds(given, features.targets, [left]))
        scores.append(fitted.predict_rows(x, judged))
    np.testing.assert_array_equal(*scores)
    assert 0 < noted.most <= PASS_ROWS < N_ROWS
    model = HeadModel.make(head=name, fusion="concat")
    assert isinstance(model.source.fused(features).values, FusedStream)


@pytest.mark.parametrize("fusion", ["late-mean", "late-stack", "late-sum", "gated"])
def test_other_fusions_stream_as_well(many_rows: Workspace, fusion: str) -> None:
    head = "mlp" if fusion == "gated" else "logreg"
    settings = SETTINGS[head] if fusion == "gated" else {}
    if fusion == "late-sum":
        settings = {"decision.epochs": "2"}
    found = []
    for max_memory in (None, LITTLE):
        kind = HeadModel if fusion == "gated" else StackedModel
        model = kind.make(head=head, fusion=fusion, settings=settings)
        training = load(many_rows, max_memory)
        scores = np.empty(training.targets.shape, np.float32)
        for _, rows, part in model.cross_validate(training.features, Folds(np.arange(N_ROWS) % 3)):
            scores[rows] = part
        model.fit(training.features)
        found.append(scores)
    assert np.abs(found[0] - found[1]).mean() < 0.02


def test_stopping_early_works_on_a_stream(many_rows: Workspace) -> None:
    settings = SETTINGS["mlp"] | {"patience": "2", "lr": "0.05"}
    config = plan_run(FitSettings(head="mlp", folds=2, max_memory=str(LITTLE)), settings=settings)
    run = fit_run(many_rows, config, load(many_rows, LITTLE))
    assert all(fold["validation"] for fold in run.history["concat"])


def test_what_cannot_be_streamed_is_told(many_rows: Workspace) -> None:
    training = load(many_rows, LITTLE)
    for head, settings, told in (
        ("knn", {}, "knn holds all rows in memory"),
        ("logreg", {"criterion": "ap"}, "average precision sorts all scores"),
        ("mlp", {"batch": "0"}, "streamed rows are read in batches"),
    ):
        config = plan_run(FitSettings(head=head, max_memory=str(LITTLE)), settings=settings)
        with pytest.raises(FitError, match=told):
            fit_run(many_rows, config, training)


def test_little_is_read_into_memory_and_much_is_not(many_rows: Workspace) -> None:
    n_bytes = N_ROWS * 2 * WIDTH * 2
    for max_memory, in_memory in ((20 * n_bytes, True), (20 * n_bytes - 1, False)):
        features = load_training(many_rows, "train", (), max_memory).features
        assert isinstance(features, StoredFeatures) != in_memory
