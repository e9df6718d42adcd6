"""Heads that were tried beside those of mmfeat: other weights to start from, and what they gave.

`benchmarks.fit.heads.prompts` measures them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mmfeat.fit.heads.logreg import LogReg
from mmfeat.fit.heads.mlp import MLP
from mmfeat.fit.heads.solvers.prompted import prompted_weights
from mmfeat.fit.heads.torch.batches import Batches
from mmfeat.types import BoolArray, FloatArray, Fused, IntArray, Matrix, Targets


class NearMean(LogReg):
    """Weights near 0, or near the mean of those of the other classes; the better are taken."""

    def _centres(
        self, fused: Fused[Matrix], y: Targets, splits: Sequence[IntArray], learnable: BoolArray
    ) -> list[FloatArray]:
        found = []
        for rows, known in zip(splits, learnable, strict=True):
            x = np.asarray(fused.values)[rows]
            weights = LogReg(C=10.0).fit(x, y[rows][:, known])._weights
            n_others = max(1, weights.shape[1] - 1)
            found.append((weights.sum(axis=1, keepdims=True) - weights) / n_others)
        near = np.hstack(found)
        return [np.zeros_like(near), near]


class Beside(nn.Module):
    """A network's logits, and those of a linear map that is not trained."""

    def __init__(self, network: nn.Module, width: int, n_classes: int) -> None:
        super().__init__()
        self.network, self.weights = network, nn.Buffer(torch.zeros(width, n_classes))

    def forward(self, rows: Tensor) -> Tensor:
        """(b, d) -> (b, k)."""
        logits: Tensor = self.network(rows) + rows @ self.weights
        return logits


class PromptedMLP(MLP):
    """A network that learns what the prompts' weights leave."""

    def _module(self, blocks: tuple[int, ...], n_classes: int) -> nn.Module:
        return Beside(super()._module(blocks, n_classes), sum(blocks), n_classes)

    def _fit(self, fused: Fused[Matrix], y: Targets, rows: IntArray) -> None:
        assert fused.prompts is not None
        own = fused.prompts[self.learnable_]
        self._given = prompted_weights(
            fused.values, y, rows, prompts=own, blocks=fused.blocks, seed=self.seed
        )
        super()._fit(fused, y, rows)

    def _train(self, train: Batches, validation: Batches, draws: torch.Generator) -> None:
        standardise, beside = self._network
        deviation = 1 / standardise.scale[:, None]  # type: ignore[index]
        beside.weights.copy_(torch.from_numpy(self._given) * deviation.nan_to_num(posinf=0.0))  # type: ignore[operator]
        super()._train(train, validation, draws)
