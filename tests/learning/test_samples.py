"""Samples are nested, keep groups whole, and have each class with its share."""

from __future__ import annotations

import numpy as np

from mmfeat.learning.samples import draw_samples
from mmfeat.runs.folds import Folds

N_ROWS, SHARES = 600, (0.5, 0.25, 0.1)


def test_samples_are_nested_and_balanced() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((N_ROWS, 3)) < (0.5, 0.2, 0.1)).astype(np.uint8)
    targets[::7, 0] = 255
    folds = Folds(rng.integers(0, 4, N_ROWS))
    groups = rng.permutation(N_ROWS) // 3
    for own in (None, groups):
        samples = list(draw_samples(targets, folds, own, shares=SHARES, seed=0))
        larger = np.ones(N_ROWS, np.bool_)
        for share, sample in zip(SHARES, samples, strict=True):
            assert not (sample & ~larger).any()
            assert abs(sample.mean() - share) < 0.03
            parts = (targets == 1)[sample].sum(axis=0) / (targets == 1).sum(axis=0)
            assert (abs(parts - sample.mean()) < 0.05).all()
            in_folds = np.bincount(folds.held_out[sample]) / np.bincount(folds.held_out)
            assert (abs(in_folds - sample.mean()) < 0.05).all()
            if own is not None:
                assert not set(own[sample]) & set(own[~sample])
            larger = sample


def test_heads_learn_from_a_sample_and_judge_all() -> None:
    held_out = np.array([0, 1, 2, 0, 1, 2, -1, -1])
    sample = np.array([1, 1, 1, 0, 0, 0, 1, 0], np.bool_)
    for kind, trained in (
        ("crossed", [[1, 2, 6], [0, 2, 6], [0, 1, 6]]),
        ("forward", [[6], [0, 6], [0, 1, 6]]),
        ("fixed", [[6]]),
    ):
        folds = Folds(held_out, kind, sample)  # type: ignore[arg-type]
        assert [fold.train.tolist() for fold in folds.for_heads()] == trained
        judged = np.concatenate([fold.judged for fold in folds.for_heads()])
        assert sorted(judged.tolist()) == [0, 1, 2, 3, 4, 5]
        assert [fold.train.tolist() for fold in folds.for_stackers()] == [[1, 2], [0, 2], [0, 1]]


def test_a_single_group_cannot_be_divided() -> None:
    targets, folds = np.ones((10, 1), np.uint8), Folds(np.arange(10) % 2)
    (sample,) = draw_samples(targets, folds, np.zeros(10, np.int64), shares=[0.5], seed=0)
    assert sample.all()
