"""The gMLP head: slices of the embeddings are tokens, and a gate mixes across them.

Liu et al., "Pay Attention to MLPs", arXiv:2105.08050: each modality's embedding is cut into
`tokens` slices, each slice gets its own projection, and the slices of all modalities form one
sequence. ``tokens=1 gate=channel`` is the variant of Guo 2024: gates within one vector.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmfeat.errors import ConfigError
from mmfeat.fit.heads.options import option
from mmfeat.fit.heads.space import Choice, Range, Space
from mmfeat.fit.heads.torch.dropout import Dropout
from mmfeat.fit.heads.torch.fusing import fuse_blocks
from mmfeat.fit.heads.torch.length import Length
from mmfeat.fit.heads.torch.training import TorchHead

NARROW = 256  # numbers of a modality's tokens: below it, bfloat16 is slower than float32 on a CPU


@dataclass(kw_only=True)
class GMLP(TorchHead):
    """Gated layers over a sequence of slices; options as declared below."""

    name: ClassVar[str] = "gmlp"
    relative_cost: ClassVar[float] = 1.2
    length: ClassVar[Length] = Length(epochs=8, steps=300, rate=3e-3)

    tokens: int = option(2, "number of slices (tokens) of each modality", low=1, high=1024)
    width: int = option(64, "width of a token", low=1, high=65536)
    layers: int = option(2, "number of gated layers", low=1, high=1024)
    gate: str = option(
        "token",
        "token mixes across the sequence; channel (needs tokens=1) gates the elements of a vector",
        choices=("token", "channel"),
    )
    dropout: float = option(
        0.4, "dropout rate before the readout, or in the channel gates", low=0, high=0.99
    )

    def check(self) -> None:
        """Raise `ConfigError` for wrong options, and for several tokens with the channel gate."""
        super().check()
        if self.gate == "channel" and self.tokens > 1:
            raise ConfigError(
                "gate=channel needs tokens=1",
                f"tokens is {self.tokens}",
                "add --set tokens=1, or use gate=token",
            )

    def search_space(self) -> Space:
        """Depth, dropout, and with the token gate the shape of the sequence."""
        space: Space = {
            "layers": Range(self.layers, 1, 4, whole=True),
            "dropout": Range(self.dropout, 0.0, 0.8),
        }
        if self.gate == "token":
            space["tokens"] = Choice(self.tokens, (2, 4, 8))
            space["width"] = Choice(self.width, (32, 64, 128))
        return space | super().search_space()

    def _precision(self, device: torch.device) -> torch.autocast:
        """Narrow tokens stay in float32 on a CPU: conversions cost more than products gain."""
        narrow = self.gate == "token" and self.tokens * self.width < NARROW
        if self.precision == "auto" and narrow and device.type == "cpu":
            return torch.autocast(device.type, enabled=False)
        return super()._precision(device)

    def _module(self, blocks: tuple[int, ...], n_classes: int) -> nn.Module:
        fusing, blocks = fuse_blocks(self.learned_fusion, blocks, self.tokens * self.width)
        if self.gate == "channel":
            size = sum(blocks)
            gated: list[nn.Module] = [ChannelGate(size, self.dropout) for _ in range(self.layers)]
            return nn.Sequential(fusing, *gated, nn.Linear(size, n_classes))
        length = self.tokens * len(blocks)
        return nn.Sequential(
            fusing,
            Slices(blocks, self.tokens, self.width),
            *(TokenGate(self.width, length) for _ in range(self.layers)),
            nn.LayerNorm(self.width),
            Dropout(self.dropout),
            Readout(length, self.width, n_classes),
        )


class Slices(nn.Module):
    """(b, d) -> (tokens of all blocks, b, width): every slice has its own projection.

    Tokens come first in all layers, so that mixing across them is a plain matrix product.
    """

    def __init__(self, blocks: tuple[int, ...], tokens: int, width: int) -> None:
        super().__init__()
        self.blocks, self.tokens = list(blocks), tokens
        sizes = [math.ceil(block / tokens) for block in blocks]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(tokens, size, width) * size**-0.5) for size in sizes
        )
        self.bias = nn.Parameter(torch.zeros(tokens * len(blocks) * width))

    def forward(self, rows: Tensor) -> Tensor:
        """Cut each block into slices, the last one padded with zeros, and project them."""
        parts = []
        biases = self.bias.view(len(self.blocks), self.tokens, 1, -1)
        blocks = torch.split(rows, self.blocks, dim=1)
        for block, weight, bias in zip(blocks, self.weights, biases, strict=True):
            gap = self.tokens * weight.shape[1] - block.shape[1]
            filled = functional.pad(block, (0, gap)) if gap else block
            slices = filled.view(rows.shape[0], self.tokens, -1).transpose(0, 1).contiguous()
            parts.append(torch.baddbmm(bias, slices, weight))
        return torch.cat(parts)


class TokenGate(nn.Module):
    """One gMLP layer (Liu et al. fig. 1): half of the channels gate the other half."""

    def __init__(self, width: int, length: int) -> None:
        super().__init__()
        self.norm, self.gate_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.value, self.gate = nn.Linear(width, width), nn.Linear(width, width)
        self.narrow = nn.Linear(width, width)
        # The gate starts near 1, so that the layer begins as one without a gate (section 2.1).
        self.mix = nn.Parameter(torch.randn(length, length) * 1e-3)
        self.offset = nn.Parameter(torch.ones(length))

    def forward(self, tokens: Tensor) -> Tensor:
        """(length, b, width) -> the same shape."""
        normed = self.norm(tokens)
        gate = self.gate_norm(functional.gelu(self.gate(normed)))
        mixed = torch.addmm(self.offset.unsqueeze(1), self.mix, gate.flatten(1)).view_as(tokens)
        out: Tensor = tokens + self.narrow(functional.gelu(self.value(normed)) * mixed)
        return out


class Readout(nn.Module):
    """(length, b, width) -> logits (b, k): every token has its own matrix; the products add up."""

    def __init__(self, length: int, width: int, n_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(length, width, n_classes) * (length * width) ** -0.5)
        self.bias = nn.Parameter(torch.zeros(n_classes))

    def forward(self, tokens: Tensor) -> Tensor:
        """Sum the logits of all tokens."""
        return (tokens @ self.weight).sum(dim=0) + self.bias


class ChannelGate(nn.Module):
    """One block of Guo 2024: linear, sigmoid gate over the channels, batch norm, residual."""

    def __init__(self, size: int, dropout: float) -> None:
        super().__init__()
        self.linear, self.gate = nn.Linear(size, size), nn.Linear(size, size)
        self.norm, self.batch_norm = nn.LayerNorm(size), nn.BatchNorm1d(size)
        self.dropout = Dropout(dropout)

    def forward(self, rows: Tensor) -> Tensor:
        """(b, d) -> (b, d)."""
        value = self.linear(rows)
        value = value * self.gate(self.norm(value)).sigmoid()
        if not self.training or rows.shape[0] > 1:  # a batch of one row has no deviation
            value = self.batch_norm(value)
        out: Tensor = rows + self.dropout(value)
        return out
