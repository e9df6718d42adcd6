"""Tuning data for tests of thresholds, and what brute force needs."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from mmfeat.decide.thresholds import TuningData
from mmfeat.types import FloatArray, Targets


@st.composite
def tuning_data(
    draw: st.DrawFn, *, max_rows: int = 8, max_labels: int = 3, min_positives: int = 0
) -> TuningData:
    """Small tables with many ties, classes without positives and constant scores."""
    n, k = draw(st.integers(2, max_rows)), draw(st.integers(1, max_labels))
    cells = draw(
        st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=n * k, max_size=n * k)
    )
    scores = np.array([s / 6 for s, _ in cells], dtype=np.float32).reshape(n, k)
    truth = np.array([t for _, t in cells], dtype=np.uint8).reshape(n, k)
    return TuningData(probabilities=scores, targets=truth, min_positives=min_positives)


def larger(seed: int = 0, n: int = 400, k: int = 4) -> TuningData:
    """Learnable scores; the last class is rare."""
    rng = np.random.default_rng(seed)
    rates = np.linspace(0.5, 0.01, k)
    targets = (rng.random((n, k)) < rates).astype(np.uint8)
    logits = 2.5 * targets + rng.normal(size=(n, k)) + np.log(rates / (1 - rates))
    return TuningData(probabilities=(1 / (1 + np.exp(-logits))).astype(np.float32), targets=targets)


def every_cut(scores: FloatArray) -> list[float]:
    """A threshold for every outcome there is, found without sorting cleverness."""
    return [*sorted({float(s) for s in scores.ravel()}), 1.5]


def micro(y: Targets, p: Targets) -> float:
    size = int(y.sum()) + int(p.sum())
    return 2 * int((y & p).sum()) / size if size else 0.0
