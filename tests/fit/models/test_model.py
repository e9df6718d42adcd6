"""Models: every head with every fusion and loss, out-of-fold scores, saving."""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from mmfeat.core.plugins import resolve
from mmfeat.errors import FitError
from mmfeat.fit.fusion import FUSIONS, prompted_fusions, sources_of
from mmfeat.fit.heads import HEADS
from mmfeat.fit.losses import LOSSES
from mmfeat.fit.models.model import Reads, read_model
from mmfeat.runs.folds import Folds
from tests.support.fits.models import (
    LATE,
    N_FOLDS,
    N_ROWS,
    OF_PAIR,
    PAIR,
    fuse_rows,
    make_features,
    make_model,
    make_single,
    make_stacked,
    out_of_fold,
    predict,
    with_joint,
)


def pairs() -> list[tuple[str, str]]:
    return [
        (head, fusion)
        for head in HEADS
        for fusion in OF_PAIR
        if FUSIONS[fusion].kind != "learned" or resolve(head, HEADS, "head").learns_fusion
        if head != "zeroshot" or set(sources_of(fusion)) <= set(prompted_fusions())
    ]


def with_losses() -> list[tuple[str, str, str]]:
    """Every pair that has a loss to choose, with every loss but the one of the other tests."""
    return [
        (head, fusion, loss)
        for head, fusion in pairs()
        if make_model(head, fusion).uses_loss
        for loss in LOSSES
        if loss != "bce"
    ]


@pytest.mark.parametrize(("head", "fusion", "loss"), with_losses())
def test_every_loss_where_there_is_one_to_choose(head: str, fusion: str, loss: str) -> None:
    features = make_features()
    model = make_model(head, fusion, loss=loss)
    scores = out_of_fold(model, features)
    assert ((scores >= 0) & (scores <= 1)).all()
    predicted = predict(model.fit(features), features)
    assert ((predicted >= 0) & (predicted <= 1)).all()


@pytest.mark.parametrize(("head", "fusion"), pairs())
def test_every_head_with_every_fusion(head: str, fusion: str, tmp_path: Path) -> None:
    features = make_features()
    model = make_model(head, fusion)
    scores = out_of_fold(model, features)
    assert ((scores >= 0) & (scores <= 1)).all()
    expected = predict(model.fit(features), features)
    assert expected.dtype == np.float32
    assert ((expected >= 0) & (expected <= 1)).all()
    model.save(tmp_path)
    np.testing.assert_array_equal(predict(read_model(tmp_path), features), expected)


@pytest.mark.parametrize("fusion", ["joint", "concat", *LATE])
def test_joint_vectors_are_a_source_where_they_are_there(fusion: str, tmp_path: Path) -> None:
    features = with_joint(make_features())
    model = make_model("logreg", fusion)
    scores = out_of_fold(model, features)
    assert np.isfinite(scores).all()
    expected = predict(model.fit(features), features)
    model.save(tmp_path)
    stores = ({"modalities": [*PAIR, "joint"]},)
    loaded = read_model(tmp_path, Reads(stores=stores))
    np.testing.assert_array_equal(predict(loaded, features), expected)
    assert loaded.reads[0].modalities == (("joint",) if fusion == "joint" else (*PAIR, "joint"))
    assert ("joint" in model.sources) == (fusion != "concat")
    if fusion != "joint":  # what the joint vector says is part of the answer
        other = {**features.embeddings, "joint": (-features.embeddings["joint"][0],)}
        moved = predict(loaded, replace(features, embeddings=other))
        assert np.abs(moved - expected).max() > 1e-4


def test_without_joint_vectors_a_late_fusion_reads_image_and_text(tmp_path: Path) -> None:
    model = make_stacked("logreg", "late-stack")
    out_of_fold(model, make_features())
    model.fit(make_features()).save(tmp_path)
    assert read_model(tmp_path).reads[0].modalities == PAIR


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("fusion", ["concat", "mixed"])
def test_a_fold_is_scored_without_its_labels(head: str, fusion: str) -> None:
    """Flipping the labels of a fold must not move that fold's own scores.

    Combiners see the other folds' scores, which that fold's labels helped to make; so there
    only the sources are held to it.
    """
    features = make_features()
    assert features.targets is not None
    folds = np.arange(N_ROWS) % N_FOLDS
    flipped = features.targets.copy()
    flipped[folds == 1] = 1 - flipped[folds == 1]
    settings = {"C": "1"} if head == "logreg" else {}
    answers = []
    for targets in (features.targets, flipped):
        again = replace(features, targets=targets)
        if fusion == "concat":
            single = make_single(head, fusion, **settings)
            list(single.cross_validate(again, Folds(folds)))
            rows = np.flatnonzero(folds == 1)
            answers.append({"concat": single.folds_[1].predict_proba(fuse_rows(again, rows))})
        else:
            stacked = make_stacked(head, fusion, **settings)
            list(stacked.cross_validate(again, Folds(folds)))
            answers.append(dict(stacked.scores_))
    for source, scores in answers[0].items():
        mask = slice(None) if fusion == "concat" else folds == 1
        np.testing.assert_allclose(scores[mask], answers[1][source][mask], atol=1e-3)


def test_the_mean_of_the_folds_can_be_the_final_model(tmp_path: Path) -> None:
    features = make_features()
    model = make_single("logreg", "concat", final="average")
    out_of_fold(model, features)
    scores = predict(model.fit(features), features)
    each = [part.predict_proba(fuse_rows(features, np.arange(N_ROWS))) for part in model.folds_]
    np.testing.assert_allclose(scores, np.mean(each, axis=0), atol=1e-6)
    model.save(tmp_path)
    np.testing.assert_array_equal(predict(read_model(tmp_path), features), scores)


def test_normalise_reaches_the_fusion() -> None:
    features = make_features()
    plain = out_of_fold(make_model("logreg", "concat", C="1"), features)
    raw = out_of_fold(make_model("logreg", "concat", C="1", normalise="false"), features)
    assert np.abs(plain - raw).max() > 0.01


@pytest.mark.parametrize("fusion", LATE)
def test_in_sample_scores_are_a_choice_and_warn(
    fusion: str, caplog: pytest.LogCaptureFixture
) -> None:
    features = make_features()
    model = make_model("logreg", fusion, in_sample="true")
    with caplog.at_level(logging.WARNING):
        scores = out_of_fold(model, features)
    assert "in-sample" in caplog.text
    assert np.isfinite(predict(model.fit(features), features)).all()
    honest = out_of_fold(make_model("logreg", fusion), features)
    assert (np.abs(scores - honest).max() > 1e-6) == (fusion != "late-mean")


def test_twins_across_folds_are_told(caplog: pytest.LogCaptureFixture) -> None:
    features = make_features()
    for part in chain.from_iterable(features.embeddings.values()):
        part[10:] = part[:35]
    with caplog.at_level(logging.WARNING):
        out_of_fold(make_model("knn", "concat"), features)
    assert "twin" in caplog.text


def test_features_without_labels_are_told() -> None:
    features = make_features()
    bare = replace(features, targets=None)
    with pytest.raises(FitError, match="labels"):
        next(make_model("knn", "image").cross_validate(bare, Folds(np.arange(N_ROWS) % 2)))
    with pytest.raises(FitError, match="cross-validation"):
        make_model("knn", "image").fit(features)


def test_a_broken_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(FitError, match="fit the run again"):
        read_model(tmp_path)
    (tmp_path / "model.json").write_text('{"kind": "head", "members": 1}')
    with pytest.raises(FitError, match="fit the run again"):
        read_model(tmp_path)
