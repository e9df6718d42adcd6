"""Logistic regression of each class on its own scores."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from mmfeat.fit.stacking import own_class
from mmfeat.fit.stacking.own_class import OwnClass, minimise
from mmfeat.types import UNKNOWN

N_ROWS, N_LABELS = 200, 3


def draw() -> tuple[np.ndarray, np.ndarray]:
    """Scores of two sources side by side; the last label is rare."""
    rng = np.random.default_rng(0)
    y = (rng.random((N_ROWS, N_LABELS)) < (0.5, 0.3, 0.02)).astype(np.uint8)
    logits = [2.0 * y - 1 + noise * rng.normal(size=y.shape) for noise in (2.0, 1.0)]
    return (1 / (1 + np.exp(-np.hstack(logits)))).astype(np.float32), y


def test_weights_are_those_of_least_loss() -> None:
    x, y = draw()
    table = np.hstack([x.astype(np.float64), np.ones((N_ROWS, 1))])
    prior = np.linspace(-1, 1, table.shape[1])

    def loss(w: np.ndarray) -> float:
        z = table @ w
        return float((np.logaddexp(0, z) - y[:, 0] * z).sum() + np.square(w - prior).sum() * 2)

    found = minimise(lambda work: [work((table, y[:, 0]))], prior, 4.0)
    np.testing.assert_allclose(found, minimize(loss, prior, tol=1e-10).x, atol=1e-4)


def test_a_class_sees_its_own_scores_only() -> None:
    x, y = draw()
    head = OwnClass().fit(x, y, blocks=(N_LABELS, N_LABELS))
    other = x.copy()
    other[:, [0, N_LABELS]] = 0.5
    changed = head.predict_proba(x) != head.predict_proba(other)
    assert changed[:, 0].any()
    assert not changed[:, 1:].any()


def test_classes_are_held_at_the_map_that_all_share() -> None:
    x, y = draw()
    held = OwnClass(shrinkage=1e12).fit(x, y, blocks=(N_LABELS, N_LABELS))
    np.testing.assert_allclose(held._weights, held._weights[:, [0] * N_LABELS], atol=1e-6)
    free = OwnClass().fit(x, y, blocks=(N_LABELS, N_LABELS))
    assert np.abs(free._offsets - held._offsets).max() > 0.1


def test_what_is_unknown_teaches_nothing() -> None:
    x, y = draw()
    y[:50, 1] = UNKNOWN
    flipped = x.copy()
    flipped[:50, [1, N_LABELS + 1]] = 0.9
    heads = [OwnClass().fit(rows, y, blocks=(N_LABELS, N_LABELS)) for rows in (x, flipped)]
    np.testing.assert_array_equal(heads[0]._weights, heads[1]._weights)


def test_tables_that_are_made_anew_give_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = draw()
    y[:50, 1] = UNKNOWN
    held = OwnClass().fit(x, y, blocks=(N_LABELS, N_LABELS))
    monkeypatch.setattr(own_class, "HELD_NUMBERS", 0)
    anew = OwnClass().fit(x, y, blocks=(N_LABELS, N_LABELS))
    np.testing.assert_array_equal(held._weights, anew._weights)
    np.testing.assert_array_equal(held._offsets, anew._offsets)
