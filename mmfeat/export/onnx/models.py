"""Models as torch computes them: the kinds of `mmfeat.fit.models.model.MODELS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmfeat.core.plugins import check_name
from mmfeat.export.onnx.fusing import Fusing
from mmfeat.export.onnx.heads import Probabilities
from mmfeat.export.onnx.inputs import Rows, RowsOfSets
from mmfeat.export.onnx.scores import Stacking, fill_missing_modality, float32_logits, sigmoid
from mmfeat.fit.heads.base import Head
from mmfeat.fit.models.ensemble import Ensemble
from mmfeat.fit.models.head_model import HeadModel
from mmfeat.fit.models.model import Model
from mmfeat.fit.models.source import Source
from mmfeat.fit.models.stacked_model import StackedModel


def module_of_model(model: Model) -> nn.Module:
    """A module that maps `RowsOfSets` to probabilities (n, k), as `Model.predict_proba` does.

    Raises `FitError` for a part that has no module, and `PluginError` for an unknown kind of model.
    """
    return MODULES[check_name(model.kind, MODULES, "model")](model)


class OneSource(nn.Module):
    """Heads that read the same fusion: the probabilities (n, k) of each."""

    def __init__(self, source: Source, heads: Sequence[Head]) -> None:
        super().__init__()
        self.fusing = Fusing(source.fusion, normalise=source.normalise)
        self.heads = nn.ModuleList(map(Probabilities, heads))

    def forward(self, rows: Rows) -> list[Tensor]:
        """Fuse once, predict by each head."""
        fused = self.fusing(rows)
        return [head(fused) for head in self.heads]


class OneHead(nn.Module):
    """A head on one fusion: the mean of its fits."""

    def __init__(self, model: HeadModel) -> None:
        super().__init__()
        self.features = model.own_reads.features
        self.source = OneSource(model.source, model.fitted)

    def forward(self, rows: RowsOfSets) -> Tensor:
        """Average the probabilities."""
        return torch.stack(self.source(rows[self.features])).mean(dim=0)


class Stacked(nn.Module):
    """Stacked heads: the mean of its fits."""

    def __init__(self, model: StackedModel) -> None:
        super().__init__()
        self.features = model.own_reads.features
        self.sources = nn.ModuleDict(
            {
                name: OneSource(source, [part.heads[name] for part in model.fitted])
                for name, source in model.sources.items()
            }
        )
        self.stackers = nn.ModuleList(
            Stacking(
                part.stacker,
                {name: Probabilities(head) for name, head in part.stacker.used.items()},
            )
            for part in model.fitted
        )

    def forward(self, rows: RowsOfSets) -> Tensor:
        """Stack the scores of each fit, with those of a missing modality filled in."""
        own = rows[self.features]
        scores = {name: source(own) for name, source in self.sources.items()}
        stacked = [
            stacker(fill_missing_modality({name: fits[at] for name, fits in scores.items()}, own))
            for at, stacker in enumerate(self.stackers)
        ]
        return torch.stack(stacked).mean(dim=0)


class Mixed(nn.Module):
    """An ensemble: the weighted mean of its runs' probabilities, or of their logits."""

    def __init__(self, model: Ensemble) -> None:
        super().__init__()
        self.shares: Tensor
        self.parts = nn.ModuleList(map(module_of_model, model.models_))
        self.average = model.average
        self.register_buffer("shares", torch.from_numpy(model.weights_).float()[:, None, None])

    def forward(self, rows: RowsOfSets) -> Tensor:
        """Mix what all runs say."""
        parts = torch.stack([part(rows) for part in self.parts])
        if self.average == "probability":
            return (parts * self.shares).sum(dim=0).clamp(0, 1)
        return sigmoid((float32_logits(parts) * self.shares).sum(dim=0))


MODULES: dict[str, Callable[[Any], nn.Module]] = {
    HeadModel.kind: OneHead,
    StackedModel.kind: Stacked,
    Ensemble.kind: Mixed,
}
