"""The optimiser of torch heads and the schedule of its rate."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

WARM = 50  # one step in 50 warms up
LEAST = 0.02  # share of the rate that remains at the end of the schedule


class Optimizer:
    """AdamW with weight decay of matrices, but not of biases and scales.

    All weights of a network lie in one vector, and so do the gradients: a step has few operations,
    however many layers there are, and takes no new memory. `pace` gives the rate at a step,
    relative to `lr`. Torch's function does the arithmetic; its class would load the compiler of
    torch, which takes as long as a small fit.
    """

    def __init__(
        self, network: nn.Module, *, lr: float, decay: float, pace: Callable[[int], float]
    ) -> None:
        self._lr, self._pace, self._step = lr, pace, 0
        self._parameters = sorted(network.parameters(), key=lambda p: p.ndim <= 1)
        weights = one_vector(self._parameters)
        self._gradient = torch.empty_like(weights)
        n_decayed = sum(p.numel() for p in self._parameters if p.ndim > 1)
        self._groups = [
            Group(weights[part], self._gradient[part], share)
            for part, share in ((slice(n_decayed), decay), (slice(n_decayed, None), 0.0))
        ]

    def step(self, loss: Tensor) -> None:
        """Move the weights of the network against the gradient of its loss."""
        gradients = torch.autograd.grad(loss, self._parameters, materialize_grads=True)
        torch.cat([part.flatten() for part in gradients], out=self._gradient)
        for group in self._groups:
            group.step(self._lr * self._pace(self._step))
        self._step += 1


class Group:
    """Weights that share a decay, as one vector, with their gradient and its moments."""

    def __init__(self, weights: Tensor, gradient: Tensor, decay: float) -> None:
        self._weights, self._gradient, self._decay = weights, gradient, decay
        self._mean, self._square = torch.zeros_like(weights), torch.zeros_like(weights)
        self._count = torch.zeros((), device=weights.device)

    def step(self, rate: float) -> None:
        """Take one step of AdamW."""
        adamw(
            [self._weights],
            [self._gradient],
            [self._mean],
            [self._square],
            [],
            [self._count],
            lr=rate,
            weight_decay=self._decay,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
            fused=True,
        )


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
