"""Made-up rows with relatives that no cosine tells from other rows, and rows without any."""

from __future__ import annotations

import numpy as np

from mmfeat.types import Features


def with_relatives(*, n_rows: int = 450, per_group: float = 2.5, seed: int = 0) -> Features:
    """Rows of groups that share their labels and most of their look, as garments in colours do."""
    rng = np.random.default_rng(seed)
    n_groups = int(n_rows / per_group)
    group = rng.integers(0, n_groups, n_rows)
    look = rng.normal(size=(n_groups, 40))
    labels = look @ rng.normal(size=(40, 8)) + 4 * rng.normal(size=(n_groups, 8)) > 4
    images = look[group] + 0.5 * rng.normal(size=(n_rows, 40))
    return _features(images, labels[group], rng)


def without_relatives(*, n_rows: int = 450, seed: int = 0) -> Features:
    """Independent rows whose labels follow their look."""
    rng = np.random.default_rng(seed)
    look = rng.normal(size=(n_rows, 40))
    labels = look @ rng.normal(size=(40, 8)) + 4 * rng.normal(size=(n_rows, 8)) > 4
    return _features(look, labels, rng)


def _features(inner: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Features:
    outer = inner @ rng.normal(size=(40, 96)) + 10 * rng.normal(size=96)
    return Features(
        ids=tuple(f"{row}.jpg" for row in range(len(inner))),
        embeddings={"image": (np.asarray(outer, np.float16),)},
        targets=labels.astype(np.uint8),
        labels=tuple(f"l{label}" for label in range(labels.shape[1])),
    )
