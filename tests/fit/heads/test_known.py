"""Heads learn from what is known, and from nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from mmfeat.errors import FitError
from mmfeat.fit.heads import HEADS
from mmfeat.fit.heads.knn import KNN
from mmfeat.fit.heads.lightgbm import LightGBM
from mmfeat.fit.heads.logreg import LogReg
from mmfeat.fit.heads.solvers.logistic import PATH
from mmfeat.metrics.probability import class_log_loss, log_loss
from mmfeat.metrics.ranking import class_ap
from mmfeat.types import UNKNOWN, Fused, Targets
from tests.support.fits.heads import BLOCKS, TORCH, draw, fit, make
from tests.support.fits.streaming import Noted

LEARNT = [name for name in HEADS if name != "zeroshot"]  # which compares with prompts


def with_holes(y: np.ndarray, share: float, *, seed: int = 0) -> Targets:
    hidden = np.random.default_rng(seed).random(y.shape) < share
    return np.where(hidden, UNKNOWN, y).astype(np.uint8)


@pytest.mark.parametrize("name", HEADS)
def test_half_of_the_labels_are_enough(name: str) -> None:
    x, y = draw(400)
    options = {"epochs": 30} if name in TORCH else {}
    holes = with_holes(y[:300], 0.5)
    scores = fit(make(name, **options), x[:300], holes).predict_proba(x[300:])
    assert ((scores > 0.5) == y[300:]).mean() > 0.7
    negative = fit(make(name, **options), x[:300], np.where(holes == 1, 1, 0).astype(np.uint8))
    loss = log_loss(negative.predict_proba(x[300:]), y[300:])
    assert log_loss(scores, y[300:]) < loss  # type: ignore[operator]


@pytest.mark.parametrize("name", HEADS)
def test_classes_without_known_positives_or_negatives_have_a_constant_score(name: str) -> None:
    x, y = draw(40)
    y[:, 1] = np.where(y[:, 1], UNKNOWN, 0)
    y[:, 2] = np.where(y[:, 2], 1, UNKNOWN)
    y[:3, 0] = UNKNOWN
    scores = fit(make(name), x, y).predict_proba(x)
    assert (scores[:, 1] == 0).all() and (scores[:, 2] == 1).all()
    y[:] = UNKNOWN
    assert (fit(make(name), x, y).predict_proba(x) == 0).all()


def test_other_numbers_are_no_targets() -> None:
    x, y = draw(20)
    y[0, 0] = 2
    with pytest.raises(FitError, match="0 or 1, or 255 where they are unknown"):
        fit(make("logreg"), x, y)


def test_logistic_regression_is_that_of_the_known_rows_of_each_class() -> None:
    x, y = draw(200)
    holes = with_holes(y, 0.3)
    scores = LogReg(C=3.0).fit(x, holes).predict_proba(x)
    for j in range(y.shape[1]):
        rows = holes[:, j] != UNKNOWN
        alone = LogReg(C=3.0).fit(x[rows], holes[rows][:, [j]]).predict_proba(x)
        np.testing.assert_allclose(scores[:, j], alone[:, 0], atol=2e-3)


@pytest.mark.parametrize("criterion", ["log-loss", "ap"])
def test_c_is_chosen_by_the_known_labels_that_a_fold_leaves_out(criterion: str) -> None:
    x, y = draw(300)
    holes = with_holes(y, 0.3)
    fold_of = np.arange(300) % 3
    splits = [np.flatnonzero(fold_of != fold) for fold in range(3)]
    given = Fused(values=x, blocks=BLOCKS)
    heads = list(LogReg(criterion=criterion).fit_folds(given, holes, splits))
    for fold, point, j in ((0, 2, 0), (1, 3, 2)):
        known = holes[:, j] != UNKNOWN
        train, left = known & (fold_of != fold), known & (fold_of == fold)
        alone = LogReg(C=float(PATH[point])).fit(x[train], holes[train][:, [j]])
        scores, truth = alone.predict_proba(x[left]), holes[left][:, [j]]
        cost = left.sum() * class_log_loss(scores, truth)[0]
        if criterion == "ap":
            cost = -class_ap(scores, truth)[0]
        assert heads[fold]._costs[j, point] == pytest.approx(cost, rel=0.02)


def test_a_streamed_logistic_regression_is_that_in_memory() -> None:
    x, y = draw(300)
    holes = with_holes(y, 0.3)
    splits = [np.flatnonzero(np.arange(300) % 3 != fold) for fold in range(3)]
    scores = []
    for values in (x, Noted(x, 100)):
        given = Fused(values=values, blocks=BLOCKS)
        folds = list(LogReg().fit_folds(given, holes, splits))
        scores.append(np.stack([head.predict_proba(x) for head in folds]))
    np.testing.assert_allclose(scores[0], scores[1], atol=5e-3)


def test_the_nearest_known_neighbours_vote() -> None:
    x, y = draw(200)
    y[::2, 0] = UNKNOWN  # so that the nearest 4 rows hold 2 known ones in the mean
    known = y[:, 0] != UNKNOWN
    scores = KNN(neighbours=2, prior=1e-6, sharpness=0.0).fit(x, y).predict_proba(x)
    alone = KNN(neighbours=2, prior=1e-6, sharpness=0.0).fit(x[known], y[known]).predict_proba(x)
    assert (scores[:, 0] == alone[:, 0]).mean() > 0.6  # of the rest fewer vote
    whole = KNN(neighbours=2, prior=1e-6, sharpness=0.0).fit(x, draw(200)[1]).predict_proba(x)
    np.testing.assert_allclose(scores[:, 1:], whole[:, 1:])


def test_trees_of_a_class_whose_known_rows_are_all_held_out() -> None:
    x, y = draw(300)
    held = np.random.default_rng(0).permutation(300)[:30]
    y[:, 0] = UNKNOWN
    y[held[:15], 0], y[held[15:], 0] = 0, 1
    holes = y.copy()
    holes[held, 1] = UNKNOWN  # and one of which no held-out row is known
    scores = LightGBM(trees=5, min_rows=1, threads=1).fit(x, holes).predict_proba(x)
    assert np.isfinite(scores).all() and scores[held[15:], 0].mean() > scores[held[:15], 0].mean()


def test_an_unknown_label_cannot_be_wrong() -> None:
    x, y = draw(60)
    head = fit(make("logreg"), x, y)
    right = head.predict(x)
    holes = np.where(right == y, y, UNKNOWN).astype(np.uint8)
    assert head.score(x, holes) == 1 > head.score(x, 1 - right)
