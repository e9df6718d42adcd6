"""The optimiser of torch heads and the schedule of its rate."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

WARM = 50  # one step in 50 warms up
LEAST = 0.02  # share of the rate that remains at the end of the schedule


def make_optimizer(network: nn.Module, *, lr: float, decay: float) -> torch.optim.AdamW:
    """AdamW with weight decay of matrices, but not of biases and scales."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr, fused=True)


def cosine(n_steps: int) -> Callable[[int], float]:
    """The rate at a step, in (0, 1]: a short warm-up, then half a cosine over `n_steps`."""
    warm = max(1, n_steps // WARM)

    def pace(step: int) -> float:
        done = min(1.0, step / n_steps)
        return min(1.0, (step + 1) / warm) * (
            LEAST + (1 - LEAST) * (1 + math.cos(math.pi * done)) / 2
        )

    return pace


def constant(step: int) -> float:
    """The same rate at every step."""
    return 1.0
