"""Losses: each equals a plain numpy reference, and none overflows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmfeat.errors import PluginError
from mmfeat.fit.losses import LOSSES, make_loss

N_ROWS, N_LABELS = 12, 3
RATES = np.array([0.5, 0.1, 0.01])


def reference(name: str, z: np.ndarray, y: np.ndarray) -> float:
    """The losses as their papers print them, in float64."""
    p, q = 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(z))
    if name == "bce":
        return float(-(y * np.log(p) + (1 - y) * np.log(q)).mean())
    if name == "bce-weighted":
        w = np.minimum((1 - RATES) / RATES, 20)
        return float(-(w * y * np.log(p) + (1 - y) * np.log(q)).mean())
    if name == "focal":
        parts = y * q**3 * np.log(p) + (1 - y) * p**3 * np.log(q)
        return float(-parts.mean())
    if name == "asymmetric":
        shifted = np.maximum(p - 0.05, 0)
        parts = y * q * np.log(p) + (1 - y) * shifted**4 * np.log(np.minimum(q + 0.05, 1))
        return float(-parts.mean())
    total = 0.0
    for rows in (y, y.T):
        scores = z if rows is y else z.T
        gaps = []
        for truth, score in zip(rows, scores, strict=True):
            if (truth > 0.5).any():
                negative = ((1 - truth) * np.exp(score)).sum() + 1e-300
                positive = (truth * np.exp(-score / 4)).sum()
                gaps.append(np.log1p(np.exp(np.log(negative) + 4 * np.log(positive))))
        total += float(np.mean(gaps)) if gaps else 0.0
    return total


def value(name: str, z: np.ndarray, y: np.ndarray, *, smoothing: float = 0.0) -> float:
    loss = make_loss(name, rates=torch.from_numpy(RATES), smoothing=smoothing)
    return float(loss(torch.from_numpy(z), torch.from_numpy(y)))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@given(seed=st.integers(0, 1000))
def test_every_loss_equals_its_reference(name: str, smoothing: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    z = rng.normal(scale=3, size=(N_ROWS, N_LABELS))
    y = (rng.random((N_ROWS, N_LABELS)) < 0.4).astype(np.float64)
    expected = reference(name, z, y * (1 - smoothing) + smoothing / 2)
    assert value(name, z, y, smoothing=smoothing) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_logits_of_50_cost_what_they_should(name: str, smoothing: float) -> None:
    """A logit of 50 that is wrong costs about 50 in cross-entropy; nothing is cut off."""
    rng = np.random.default_rng(0)
    y = (rng.random((N_ROWS, N_LABELS)) < 0.4).astype(np.float64)
    soft = y * (1 - smoothing) + smoothing / 2
    for wrong in (50 - 100 * y, np.where(rng.random(y.shape) < 0.5, 50.0, -50.0)):
        z = torch.from_numpy(wrong).float()
        loss = make_loss(name, rates=torch.from_numpy(RATES).float(), smoothing=smoothing)
        expected = reference(name, wrong, soft)
        assert float(loss(z, torch.from_numpy(y).float())) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [0.0, 50.0, 1e4])
def test_extreme_logits_stay_finite(name: str, size: float) -> None:
    y = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    for sign in (1, -1):
        z = torch.full((2, 3), sign * size, requires_grad=True)
        loss = make_loss(name, rates=torch.from_numpy(RATES).float())(z, y)
        loss.backward()  # type: ignore[no-untyped-call]
        assert torch.isfinite(loss)
        assert z.grad is not None
        assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize("name", LOSSES)
def test_wrong_scores_cost_more(name: str) -> None:
    y = (np.arange(N_ROWS * N_LABELS).reshape(N_ROWS, N_LABELS) % 3 == 0).astype(np.float64)
    assert value(name, 6 * y - 3, y) < value(name, 3 - 6 * y, y)


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_without_positives_is_finite(name: str) -> None:
    z = np.zeros((N_ROWS, N_LABELS))
    assert np.isfinite(value(name, z, np.zeros_like(z)))
    assert np.isfinite(value(name, z, np.ones_like(z)))


def test_smoothing_moves_the_targets() -> None:
    z = np.array([[2.0, -1.0, 0.5]])
    y = np.array([[1.0, 0.0, 1.0]])
    soft = y * 0.9 + 0.05
    assert value("bce", z, y, smoothing=0.1) == pytest.approx(reference("bce", z, soft))


def test_an_unknown_loss_lists_the_known() -> None:
    with pytest.raises(PluginError, match="asymmetric"):
        make_loss("hinge", rates=torch.ones(1))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_a_masked_loss_is_that_of_the_known_cells(name: str, smoothing: float) -> None:
    rng = np.random.default_rng(0)
    z, y = rng.normal(scale=3, size=(12, 3)), (rng.random((12, 3)) < 0.4).astype(np.float64)
    hidden = rng.random((12, 3)) < 0.4
    logits = torch.from_numpy(z).requires_grad_()
    loss = make_loss(name, rates=torch.from_numpy(RATES), smoothing=smoothing, masked=True)
    found = loss(logits, torch.from_numpy(np.where(hidden, 255.0, y)))
    found.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert (logits.grad.numpy()[hidden] == 0).all() and np.isfinite(logits.grad.numpy()).all()
    other = torch.from_numpy(np.where(hidden, 7.0, z))
    assert loss(other, torch.from_numpy(np.where(hidden, 255.0, y))).item() == pytest.approx(
        found.item(), rel=1e-9
    )
    soft = y * (1 - smoothing) + smoothing / 2
    whole = make_loss(name, rates=torch.from_numpy(RATES), smoothing=smoothing, masked=True)
    assert whole(torch.from_numpy(z), torch.from_numpy(y)).item() == pytest.approx(
        reference(name, z, soft), rel=1e-6
    )
    if name in ("bce", "focal", "asymmetric"):
        cells = z[~hidden][:, None], soft[~hidden][:, None]
        assert found.item() == pytest.approx(reference(name, *cells), rel=1e-6)


def test_a_batch_of_which_nothing_is_known_changes_nothing() -> None:
    logits = torch.ones(4, 3, requires_grad=True)
    value = make_loss("bce", rates=torch.from_numpy(RATES), masked=True)(
        logits, torch.full((4, 3), 255.0)
    )
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == 0 and logits.grad is not None and not logits.grad.any()
