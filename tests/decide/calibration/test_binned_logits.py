from __future__ import annotations

import numpy as np
import pytest

from mmfeat.core.numeric import logit, sigmoid
from mmfeat.decide.calibration.binned_logits import BinnedLogits
from mmfeat.metrics.probability import SMALLEST

N, FOLDS = 30_000, 3


def loss(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Log-loss of a map that is neither the identity nor linear in the probabilities."""
    p = sigmoid(0.8 * logits - 0.3)
    return -np.log(np.where(truth, p, 1 - p))


@pytest.mark.parametrize("kept", [[0, 1, 2], [0, 2], [1]])
def test_smooth_functions_have_the_sums_of_the_rows(kept: list[int]) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(-1, 2, (FOLDS, N))
    logits[0, :10] = logit(np.array([0.0, 1.0]), smallest=SMALLEST).repeat(5)  # certain and wrong
    truth = (rng.random((FOLDS, N)) < sigmoid(logits)).astype(np.uint8)
    p, y, weights = BinnedLogits.of(zip(logits, truth, strict=True)).rows(kept)
    assert len(p) < N / 2 and weights.sum() == pytest.approx(len(kept) * N)
    assert weights @ y == pytest.approx(truth[kept].sum())
    rows = loss(logits[kept], truth[kept]).sum()
    assert weights @ loss(logit(p, smallest=SMALLEST), y) == pytest.approx(rows, rel=1e-9)
