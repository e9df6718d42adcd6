"""The clock of these benchmarks, and data of any size."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

Data = tuple[np.ndarray, np.ndarray]


def timed(work: Callable[[], Any], repeat: int = 1) -> tuple[float, Any]:
    """Median seconds of `repeat` calls, and the last answer."""
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        answer = work()
        seconds.append(time.perf_counter() - started)
    return median(seconds), answer


def made_up(n_rows: int, width: int) -> Data:
    """Two modalities' embeddings of length 1, side by side, that tell 18 classes with noise."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n_rows, width), dtype=np.float32)
    modalities = x.reshape(n_rows, 2, -1)
    modalities /= np.linalg.norm(modalities, axis=2, keepdims=True)
    logits = 6 * x @ rng.standard_normal((width, 18), dtype=np.float32) - 2
    return x, (logits + rng.logistic(size=logits.shape) > 0).astype(np.uint8)
