"""The MLP head: hidden layers with GELU and dropout; optionally an ensemble in one network."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmfeat.fit.heads.options import option
from mmfeat.fit.heads.space import Choice, Range, Space
from mmfeat.fit.heads.torch.dropout import Dropout
from mmfeat.fit.heads.torch.fusing import fuse_blocks
from mmfeat.fit.heads.torch.training import TorchHead

# Hidden sizes and dropout; all but the first are the shapes of Guo 2024, arXiv:2406.16141.
PRESETS: dict[str, tuple[tuple[int, ...], float]] = {
    "default": ((512, 512), 0.6),
    "guo-ablation": ((2048,), 0.0),
    "guo-unimodal": ((2048, 512), 0.6),
    "guo-concat": ((2048, 1024, 512), 0.0),
    "guo-decision": ((1024, 512), 0.0),
}


@dataclass(kw_only=True)
class MLP(TorchHead):
    """Linear layers with GELU and dropout between; options as declared below."""

    name: ClassVar[str] = "mlp"
    relative_cost: ClassVar[float] = 2.0

    preset: str = option(
        "default", "named choice of hidden sizes and dropout", choices=tuple(PRESETS)
    )
    hidden: tuple[int, ...] | None = option(
        None, "sizes of the hidden layers; None takes those of the preset", low=1, high=65536
    )
    dropout: float | None = option(
        None, "dropout rate; None takes that of the preset", low=0, high=0.99
    )
    members: int = option(
        1,
        "number of networks with shared matrices and own scales, whose probabilities are averaged"
        " (BatchEnsemble as in TabM, arXiv:2410.24210)",
        low=1,
        high=1024,
    )

    def search_space(self) -> Space:
        """Hidden sizes and dropout."""
        hidden, dropout = self._shape()
        sizes = ((256,), (512,), (1024,), (2048,), (512, 256))
        return {
            "hidden": Choice(hidden, sizes),
            "dropout": Range(dropout, 0.0, 0.8),
            **super().search_space(),
        }

    def _shape(self) -> tuple[tuple[int, ...], float]:
        """Hidden sizes and dropout, the preset's unless they are given."""
        hidden, dropout = PRESETS[self.preset]
        return (
            hidden if self.hidden is None else self.hidden,
            dropout if self.dropout is None else self.dropout,
        )

    def _module(self, blocks: tuple[int, ...], n_classes: int) -> nn.Module:
        hidden, dropout = self._shape()
        fusing, blocks = fuse_blocks(self.learned_fusion, blocks, max(hidden, default=256))
        layers: list[nn.Module] = [fusing]
        sizes = (sum(blocks), *hidden)
        if self.members > 1:
            layers.append(Members(self.members))
        for number, (wide, narrow) in enumerate(pairwise(sizes)):
            layers += [
                self._linear(wide, narrow, first=number == 0),
                nn.GELU(),
                Dropout(dropout),
            ]
        layers.append(self._linear(sizes[-1], n_classes, first=not hidden))
        return nn.Sequential(*layers)

    def _linear(self, wide: int, narrow: int, *, first: bool) -> nn.Module:
        if self.members == 1:
            return nn.Linear(wide, narrow)
        return EnsembleLinear(wide, narrow, self.members, random_signs=first)


class Members(nn.Module):
    """(b, d) -> (members, b, d)."""

    def __init__(self, members: int) -> None:
        super().__init__()
        self.members = members

    def forward(self, rows: Tensor) -> Tensor:
        """Give the rows to every member."""
        return rows.expand(self.members, *rows.shape)


class EnsembleLinear(nn.Module):
    """One matrix for all members, each with its own scales before and after it (TabM, eq. 4).

    Only the scales of the first layer start as random signs; the others start at 1.
    """

    def __init__(self, wide: int, narrow: int, members: int, *, random_signs: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(wide, narrow, bias=False)
        before = torch.ones(members, 1, wide)
        if random_signs:
            before = before.bernoulli_(0.5) * 2 - 1
        self.before = nn.Parameter(before)
        self.after = nn.Parameter(torch.ones(members, 1, narrow))
        bound = wide**-0.5
        self.bias = nn.Parameter(torch.empty(members, 1, narrow).uniform_(-bound, bound))

    def forward(self, rows: Tensor) -> Tensor:
        """(members, b, wide) -> (members, b, narrow)."""
        out: Tensor = self.linear(rows * self.before) * self.after + self.bias
        return out
