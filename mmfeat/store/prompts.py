"""Prompts of labels as a text tower sees them: the texts, and their embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmfeat.types import Embeddings, FloatArray


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """Prompts of labels, embedded by a text tower.

    Attributes
    ----------
    labels, texts
        One per prompt; a label has one or more.
    embeddings
        Of shape (p, d), not normalised.
    """

    labels: tuple[str, ...]
    texts: tuple[str, ...]
    embeddings: Embeddings

    def mean(self, labels: Sequence[str]) -> FloatArray:
        """Give one vector of length 1 per label, (k, d): of its prompts, each of length 1."""
        unit = self.embeddings.astype(np.float32)
        unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-30)
        own = np.array(self.labels)
        mean = np.stack([unit[own == label].mean(axis=0) for label in labels])
        out: FloatArray = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-30)
        return out
