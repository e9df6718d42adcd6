"""Learned fusions inside torch heads: the blocks of a row become one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmfeat.errors import FitError


class Gated(nn.Module):
    """Gated multimodal unit (Arevalo et al., arXiv:1702.01992, eq. 1-5): (b, d) -> (b, width)."""

    def __init__(self, blocks: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.blocks = list(blocks)
        self.parts = nn.ModuleList(nn.Linear(block, width) for block in blocks)
        self.gate = nn.Linear(sum(blocks), width)

    def forward(self, rows: Tensor) -> Tensor:
        """Mix image and text element by element, by a gate that sees both."""
        image, text = torch.split(rows, self.blocks, dim=1)
        gate = self.gate(rows).sigmoid()
        out: Tensor = gate * self.parts[0](image).tanh() + (1 - gate) * self.parts[1](text).tanh()
        return out


class Bilinear(nn.Module):
    """Low-rank bilinear pooling (Kim et al., arXiv:1610.04325, eq. 9): (b, d) -> (b, width).

    The projections' offsets start at 1, so that the product contains both linear terms as well.
    """

    def __init__(self, blocks: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.blocks = list(blocks)
        projections = [nn.Linear(block, width) for block in blocks]
        for projection in projections:
            nn.init.ones_(projection.bias)
        self.parts = nn.ModuleList(projections)

    def forward(self, rows: Tensor) -> Tensor:
        """Multiply the projections of image and text element by element."""
        image, text = torch.split(rows, self.blocks, dim=1)
        product: Tensor = self.parts[0](image) * self.parts[1](text)
        return product


MODULES: dict[str, type[Gated | Bilinear]] = {"gated": Gated, "bilinear": Bilinear}


def fuse_blocks(
    name: str, blocks: tuple[int, ...], width: int
) -> tuple[nn.Module, tuple[int, ...]]:
    """Build the module `name` (``"none"`` or one of `MODULES`); return it with its output's blocks.

    Raises `FitError` for a learned fusion of other than two modalities.
    """
    if name == "none":
        return nn.Identity(), blocks
    if len(blocks) != 2:
        raise FitError(
            f"the fusion {name} joins two modalities",
            f"there are {len(blocks)}",
            "use a store with two modalities, or the fusion concat",
        )
    return MODULES[name](blocks, width), (width,)
