"""The optimiser of torch heads and the schedule of its rate."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

WARM = 50  # one step in 50 warms up
LEAST = 0.02  # share of the rate that remains at the end of the schedule


class Optimizer:
    """AdamW with weight decay of matrices, but not of biases and scales.

    All weights of a network lie in one vector, and so do the gradients: a step has few operations,
    however many layers there are, and takes no new memory. `pace` gives the rate at a step,
    relative to `lr`.
    """

    def __init__(
        self, network: nn.Module, *, lr: float, decay: float, pace: Callable[[int], float]
    ) -> None:
        self._lr, self._pace, self._step = lr, pace, 0
        self._parameters = sorted(network.parameters(), key=lambda p: p.ndim <= 1)
        weights = one_vector(self._parameters)
        self._gradient = torch.empty_like(weights)
        n_decayed = sum(p.numel() for p in self._parameters if p.ndim > 1)
        groups = []
        for part, share in ((slice(n_decayed), decay), (slice(n_decayed, None), 0.0)):
            its = nn.Parameter(weights[part])
            its.grad = self._gradient[part]
            groups.append({"params": [its], "weight_decay": share})
        self._adamw = torch.optim.AdamW(groups, lr=lr, fused=True)

    def step(self, loss: Tensor) -> None:
        """Move the weights of the network against the gradient of its loss."""
        gradients = torch.autograd.grad(loss, self._parameters, materialize_grads=True)
        torch.cat([part.flatten() for part in gradients], out=self._gradient)
        for group in self._adamw.param_groups:
            group["lr"] = self._lr * self._pace(self._step)
        self._adamw.step()
        self._step += 1


def one_vector(parameters: list[nn.Parameter]) -> Tensor:
    """Move all weights into one vector, of which the parameters are parts from now on."""
    vector = torch.cat([p.detach().flatten() for p in parameters])
    parts = torch.split(vector, [p.numel() for p in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.data = part.view_as(parameter)
    return vector


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
