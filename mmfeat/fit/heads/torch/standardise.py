"""The first layer of every torch head: columns of mean 0 and deviation 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmfeat.fit.heads.torch.batches import Batches


class Standardise(nn.Module):
    """(b, d) -> (b, d) with mean 0 and deviation 1 over the training rows; constants become 0."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def learn(self, train: Batches) -> None:
        """Compute mean and deviation of these rows, batch by batch."""
        total, squares = self.mean.new_zeros(2, len(self.mean), dtype=torch.float64)
        for rows, _ in train.in_order():
            values = rows.double()
            total += values.sum(dim=0)
            squares += values.square().sum(dim=0)
        mean = total / len(train)
        deviation = (squares / len(train) - mean.square()).clamp(min=0).sqrt()
        constant = deviation <= 1e-5 * mean.abs().clamp(min=1e-30)
        self.mean = mean.float()
        self.scale = torch.where(constant, 0.0, 1 / deviation.clamp(min=1e-30)).float()

    def forward(self, rows: Tensor) -> Tensor:
        """Standardise; outliers are clipped at 30 deviations so that none dominates a step."""
        return (rows - self.mean).mul_(self.scale).clamp_(-30, 30)
