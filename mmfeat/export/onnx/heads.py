"""Heads as torch computes them: a registry of modules, by the class of the head."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from mmfeat.core.plugins import Plugin, resolve
from mmfeat.errors import FitError
from mmfeat.export.onnx.scores import float32_logits, sigmoid
from mmfeat.fit.heads.base import Head
from mmfeat.fit.heads.logreg import LogReg
from mmfeat.fit.heads.ridge import Ridge
from mmfeat.fit.heads.torch.training import TorchHead
from mmfeat.fit.heads.zeroshot import ZeroShot
from mmfeat.fit.stacking.own_class import OwnClass

# The class of a head, or one that it is derived from -> the module of what its `_predict` does.
MODULES: dict[str, Plugin] = {
    "TorchHead": Plugin("mmfeat.export.onnx.heads:Network", "the network itself"),
    "LogReg": Plugin("mmfeat.export.onnx.heads:Linear", "one matrix product"),
    "Ridge": Plugin("mmfeat.export.onnx.heads:Linear", "one matrix product"),
    "ZeroShot": Plugin("mmfeat.export.onnx.heads:Cosines", "cosines to prompts of the labels"),
    "OwnClass": Plugin("mmfeat.export.onnx.heads:OwnScores", "a few products per class"),
    "LightGBM": Plugin("mmfeat.export.onnx.trees:Trees", "an operator for all trees"),
}


class Probabilities(nn.Module):
    """Fused rows (n, d) -> probabilities (n, k), as `Head.predict_proba` gives them."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.rates: Tensor
        self.places: Tensor
        learnable, numbers = head.learnable_, np.arange(len(head.rates_))
        self.learned = module_of(head) if learnable.any() else None
        self.is_whole = bool(learnable.all())
        # a class that learned nothing has its rate, which stands after the learned columns
        places = np.where(learnable, learnable.cumsum() - 1, learnable.sum() + numbers)
        self.register_buffer("rates", torch.from_numpy(head.rates_.astype(np.float32)))
        self.register_buffer("places", torch.from_numpy(places))

    def forward(self, rows: Tensor) -> Tensor:
        """Predict the classes that learned, and give the others their rates."""
        rates = self.rates.expand(rows.shape[0], -1)
        if self.learned is None:
            return rates
        found: Tensor = self.learned(rows)
        return found if self.is_whole else torch.cat([found, rates], dim=1)[:, self.places]


def module_of(head: Head) -> nn.Module:
    """The module of what a fitted head predicts; raise `FitError` for a head that has none."""
    for name in (cls.__name__ for cls in type(head).__mro__):
        if name in MODULES:
            module: nn.Module = resolve(name, MODULES, "head")(head)
            return module
    raise FitError(
        f"an ONNX graph holds heads of the kinds {', '.join(MODULES)}",
        f"the head {head.name} has no form that gives the same probabilities",
        "export a bundle with --to, or fit another head",
    )


class Network(nn.Module):
    """A torch head: its network in float32, as it predicts."""

    def __init__(self, head: TorchHead) -> None:
        super().__init__()
        self.network = deepcopy(head._network).cpu()

    def forward(self, rows: Tensor) -> Tensor:
        """Average the probabilities of its members, where it has some."""
        found = sigmoid(self.network(rows))
        return found.mean(dim=0) if found.ndim == 3 else found


class Linear(nn.Module):
    """Logistic regression, and ridge regression with its logistic map."""

    def __init__(self, head: LogReg | Ridge) -> None:
        super().__init__()
        self.weights: Tensor
        self.offsets: Tensor
        self.register_buffer("weights", torch.from_numpy(head._weights))
        self.register_buffer("offsets", torch.from_numpy(head._offsets))

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (n, d) -> (n, classes)."""
        return sigmoid(rows @ self.weights + self.offsets)


class OwnScores(nn.Module):
    """Logistic regression of each class on the logits of its own scores."""

    def __init__(self, head: OwnClass) -> None:
        super().__init__()
        self.weights: Tensor
        self.offsets: Tensor
        self.places: Tensor
        self.register_buffer("weights", torch.from_numpy(head._weights)[:, None])
        self.register_buffer("offsets", torch.from_numpy(head._offsets))
        self.register_buffer("places", torch.from_numpy(np.flatnonzero(head.learnable_)))
        self.blocks = list(head.blocks_)

    def forward(self, rows: Tensor) -> Tensor:
        """Probabilities side by side, a block per source -> (n, classes)."""
        parts = [part[:, self.places] for part in torch.split(rows, self.blocks, dim=1)]
        if len(parts) > 1:
            parts.append(torch.stack(parts).mean(dim=0))
        logits = torch.stack([float32_logits(part) for part in parts])
        z = (logits * self.weights).sum(dim=0) + self.offsets
        return sigmoid(z.double()).float()


class Cosines(nn.Module):
    """Zero-shot: the mean cosine of a row's blocks to the prompts, calibrated by two numbers."""

    def __init__(self, head: ZeroShot) -> None:
        super().__init__()
        self.prompts: Tensor
        self.line: Tensor
        self.register_buffer("prompts", torch.from_numpy(head.prompts_[head.learnable_]))
        self.register_buffer("line", torch.tensor([head._scale, head._offset], dtype=torch.float64))
        self.blocks = list(head.blocks_)

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (n, d) -> (n, classes)."""
        blocks = torch.split(rows, self.blocks, dim=1)
        prompts = torch.split(self.prompts, self.blocks, dim=1)
        total = torch.stack([_cosines(*pair) for pair in zip(blocks, prompts, strict=True)])
        present = torch.cat([(block != 0).any(dim=1, keepdim=True) for block in blocks], dim=1)
        count = present.float().sum(dim=1, keepdim=True)
        cosines = total.sum(dim=0) / count.clamp(min=1)
        scale, offset = self.line
        return sigmoid(scale * cosines.double() + offset).float()


def _cosines(rows: Tensor, prompts: Tensor) -> Tensor:
    lengths = rows.square().sum(dim=1, keepdim=True).sqrt() * prompts.square().sum(dim=1).sqrt()
    return rows @ prompts.T / lengths.clamp(min=1e-30)
