"""Products of the rows with weights, exact in float32 or coarse in bfloat16."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK_ROWS = 4096  # that are rounded at a time


class Products:
    """Products with rows `x`, (n, d), in float32; weights are (d + 1, p), the last row offsets."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def logits(self, w: Tensor) -> Tensor:
        """(d + 1, p) -> (n, p)."""
        z: Tensor = torch.addmm(w[-1], self.x, w[:-1])
        return z

    def further(self, z: Tensor, step: Tensor) -> Tensor:
        """The logits `z` after a step, (d + 1, p), of the weights."""
        return (z + step[-1]).addmm_(self.x, step[:-1])

    def slope_of(self, rest: Tensor, rows: slice) -> Tensor:
        """Sums of these rows, each times its `rest`, (b, p) -> (p, d).

        The rows are read as they lie in memory: (d, p) takes half as long again.
        """
        return rest.T @ self.x[rows]


class CoarseProducts(Products):
    """Products in bfloat16, of rows about their `mean`: large offsets would take all its digits.

    A step is added to logits in float32, so what is rounded is the step, and less of it as the
    steps get shorter.
    """

    def __init__(self, x: Tensor, mean: Tensor) -> None:
        super().__init__(torch.empty(x.shape, dtype=torch.bfloat16, device=x.device))
        for start in range(0, len(x), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            self.x[rows] = x[rows] - mean
        self.mean = mean

    def logits(self, w: Tensor) -> Tensor:
        """(d + 1, p) -> (n, p)."""
        return self.further(torch.zeros(len(self.x), w.shape[1], device=w.device), w)

    def further(self, z: Tensor, step: Tensor) -> Tensor:
        """The logits `z` after a step, (d + 1, p), of the weights."""
        after = z + (step[-1] + self.mean @ step[:-1])
        after += self.x @ step[:-1].bfloat16()
        return after

    def slope_of(self, rest: Tensor, rows: slice) -> Tensor:
        """Sums of these rows, each times its `rest`, (b, p) -> (p, d)."""
        found = (rest.bfloat16().T @ self.x[rows]).float()
        return found.addr_(rest.sum(dim=0), self.mean)
