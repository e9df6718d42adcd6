"""Probabilities to logits and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def logit(probabilities: NDArray[np.floating], *, smallest: float) -> NDArray[np.float64]:
    """Compute ln(p / (1 − p)) in float64 of probabilities of any shape.

    They are clipped to [`smallest`, 1 − `smallest`] first, so that 0 and 1 have finite logits.
    """
    p = np.clip(probabilities.astype(np.float64), smallest, 1 - smallest)
    logits: NDArray[np.float64] = np.log(p) - np.log1p(-p)
    return logits


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute 1 / (1 + exp(−z)) of logits z of any shape, as (1 + tanh(z / 2)) / 2: no overflow."""
    return 0.5 * (1 + np.tanh(logits / 2))
