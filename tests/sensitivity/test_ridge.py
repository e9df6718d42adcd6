"""Ridge regression out of fold equals scikit-learn's, fold by fold."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import Ridge

from mmfeat.sensitivity.ridge import PENALTIES, out_of_fold, principal


def test_it_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    vectors = principal(rng.normal(size=(80, 12)).astype(np.float32))
    targets = (vectors[:, :3] + rng.normal(size=(80, 3)) > 0).astype(np.float64)
    folds = rng.integers(0, 4, 80)
    found = out_of_fold(vectors, targets, np.ones(targets.shape, np.bool_), folds)
    errors, expected = [], []
    for part in PENALTIES:
        scores = np.empty_like(targets)
        for fold in range(4):
            inside = folds == fold
            centred = vectors[~inside] - vectors[~inside].mean(axis=0)
            penalty = part * np.linalg.eigvalsh(centred.T @ centred)[-1]
            head = Ridge(alpha=penalty).fit(vectors[~inside], targets[~inside])
            scores[inside] = head.predict(vectors[inside])
        expected.append(scores.clip(0, 1))
        errors.append(np.square(expected[-1] - targets).mean())
    np.testing.assert_allclose(found, expected[int(np.argmin(errors))], atol=1e-9)


def test_principal_coordinates_keep_distances() -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 10)).astype(np.float32)
    kept = principal(vectors)
    centred = vectors - vectors.mean(axis=0)
    np.testing.assert_allclose(kept @ kept.T, centred @ centred.T, atol=1e-4)
    assert principal(vectors[:6]).shape == (6, 5)
