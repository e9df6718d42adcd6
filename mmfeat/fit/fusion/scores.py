"""Functions of late fusions: the scores of several heads become the inputs of a meta-learner."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mmfeat.core.numeric import logit
from mmfeat.types import FloatArray

LARGEST_LOGIT = 15.0  # of a probability of 1, which rounding produces
SMALLEST_PROBABILITY = 1 / (1 + math.exp(LARGEST_LOGIT))


def mean_of_probabilities(scores: Sequence[FloatArray]) -> FloatArray:
    """Average the sources' probabilities, each (n, k): (n, k)."""
    mean: FloatArray = np.mean(scores, axis=0, dtype=np.float32)
    return mean


def sum_of_probabilities(scores: Sequence[FloatArray]) -> FloatArray:
    """Add the sources' probabilities, each (n, k): (n, k)."""
    total: FloatArray = np.sum(scores, axis=0, dtype=np.float32)
    return total


def logits_side_by_side(scores: Sequence[FloatArray]) -> FloatArray:
    """Join the logits of the sources' probabilities, each (n, k): (n, sources * k)."""
    return np.hstack([float32_logits(part) for part in scores])


def float32_logits(probabilities: FloatArray) -> FloatArray:
    """Logits in float32, clipped to [−15, 15], of probabilities of any shape."""
    return logit(probabilities, smallest=SMALLEST_PROBABILITY).astype(np.float32)
