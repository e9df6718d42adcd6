"""Dropout that is fast on a CPU: one random byte per number, eight from each draw."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEVELS = 256  # of a byte: the share that is kept is a multiple of 1/256


class Dropout(nn.Module):
    """Like `torch.nn.Dropout`, whose draws take a large part of an MLP's step on a CPU.

    Numbers of any shape are set to 0 with probability `share`, in [0, 1), rounded to a multiple
    of 1/256; the others are scaled to keep the mean. Inactive outside training. The numbers
    come from `generator`, or from torch's random state where it is None.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.n_kept = max(1, round((1 - share) * LEVELS))
        self.generator: torch.Generator | None = None

    def forward(self, rows: Tensor) -> Tensor:
        """Drop some numbers while training."""
        if not self.training or self.n_kept == LEVELS:
            return rows
        size = rows.numel()
        draws = torch.empty(-(-size // 8), dtype=torch.int64, device=rows.device)
        draws.random_(-(2**63), None, generator=self.generator)
        levels = draws.view(torch.uint8)[:size].view(rows.shape)
        # In the type of the rows at once: a conversion of booleans is slower than all the rest.
        kept = torch.lt(levels, self.n_kept, out=torch.empty_like(rows))
        return rows * kept.mul_(LEVELS / self.n_kept)
