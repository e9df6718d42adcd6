"""Heads that are quick to fit, and rows that tell their labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmfeat.core.plugins import resolve
from mmfeat.fit.heads import HEADS
from mmfeat.fit.heads.base import Head

N_ROWS, N_LABELS = 60, 3
BLOCKS = (5, 4)
QUICK: dict[str, dict[str, Any]] = {
    "mlp": {"epochs": 5, "hidden": (16,), "batch": 16, "lr": 1e-2},
    "gmlp": {"epochs": 5, "width": 8, "tokens": 2, "batch": 16, "lr": 1e-2},
    "lightgbm": {"trees": 5, "min_rows": 2},
}
TORCH = [name for name in HEADS if resolve(name, HEADS, "head").learns_fusion]


def make(name: str, **options: Any) -> Head:
    head: Head = resolve(name, HEADS, "head")(**{**QUICK.get(name, {}), **options})
    return head


def draw(n_rows: int = N_ROWS, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, sum(BLOCKS))).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x, (x[:, :N_LABELS] > 0).astype(np.uint8)


def fit(head: Head, x: np.ndarray, y: np.ndarray, *, blocks: tuple[int, ...] = BLOCKS) -> Head:
    return head.fit(x, y, blocks=blocks, prompts=prompts_of(y))


def prompts_of(y: np.ndarray) -> np.ndarray:
    """What tells the labels of `draw`: one column each; nonsense for further labels."""
    prompts = np.random.default_rng(1).normal(size=(y.shape[1], sum(BLOCKS))).astype(np.float32)
    prompts[:N_LABELS] = np.eye(N_LABELS, sum(BLOCKS))[: len(prompts)]
    return prompts
