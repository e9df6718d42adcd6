"""Scores as torch computes them: logits, late fusions, and scores of a modality that is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from mmfeat.errors import FitError
from mmfeat.export.onnx.fusing import present
from mmfeat.export.onnx.inputs import Rows
from mmfeat.fit.fusion import get_matrix_fusion, scores
from mmfeat.fit.stacking.stacker import OWN_CLASS, Stacker


def sigmoid(logits: Tensor) -> Tensor:
    """As torch rounds it on a CPU: a logit of what is near 1 depends on its last digit.

    The operator of onnxruntime is 1e-7 off where the result is tiny.
    """
    return 1 / (1 + torch.exp(-logits))


def logit(probabilities: Tensor, *, smallest: float) -> Tensor:
    """See `mmfeat.core.numeric.logit`; float64."""
    p = clipped(probabilities, smallest=smallest)
    return torch.log(p) - torch.log1p(-p)


def clipped(probabilities: Tensor, *, smallest: float) -> Tensor:
    """Probabilities from `smallest` to one minus it, float64; as numbers both would be float32."""
    low, high = torch.tensor([smallest, 1 - smallest], dtype=torch.float64)
    return probabilities.double().clamp(low, high)


def float32_logits(probabilities: Tensor) -> Tensor:
    """See `mmfeat.fit.fusion.scores.float32_logits`."""
    return logit(probabilities, smallest=scores.SMALLEST_PROBABILITY).float()


def mean_of_probabilities(parts: Sequence[Tensor]) -> Tensor:
    """Average the sources' probabilities, (n, k) each."""
    return torch.stack([*parts]).mean(dim=0)


def sum_of_probabilities(parts: Sequence[Tensor]) -> Tensor:
    """Add the sources' probabilities, (n, k) each."""
    return reduce(torch.add, parts)


def logits_side_by_side(parts: Sequence[Tensor]) -> Tensor:
    """Join the logits of the sources' probabilities, (n, k) each."""
    return torch.cat([float32_logits(part) for part in parts], dim=1)


FUNCTIONS: dict[object, Callable[[Sequence[Tensor]], Tensor]] = {
    scores.mean_of_probabilities: mean_of_probabilities,
    scores.sum_of_probabilities: sum_of_probabilities,
    scores.logits_side_by_side: logits_side_by_side,
}


class Stacking(nn.Module):
    """The probabilities of sources, (n, k) each -> those of a stacker, (n, k)."""

    def __init__(self, stacker: Stacker, meta_learners: Mapping[str, nn.Module]) -> None:
        super().__init__()
        if stacker.fusion.function not in FUNCTIONS:
            raise FitError(
                "an ONNX graph computes the late fusions of mmfeat/export/onnx/scores.py",
                f"the {stacker.fusion.summary} is not one of them",
                "write its function in torch there, or export a bundle with --to",
            )
        self.function, self.sources = FUNCTIONS[stacker.fusion.function], stacker.fusion.possible
        self.meta_learners = nn.ModuleDict(meta_learners)

    def forward(self, parts: Mapping[str, Tensor]) -> Tensor:
        """Join the scores, and average what the meta-learners make of them, where there are any."""
        there = [parts[name] for name in self.sources if name in parts]
        joined = self.function(there)
        if not self.meta_learners:
            return joined
        answers = [
            head(torch.cat(there, dim=1) if name == OWN_CLASS else joined)
            for name, head in self.meta_learners.items()
        ]
        return torch.stack(answers).mean(dim=0)


def fill_missing_modality(parts: Mapping[str, Tensor], rows: Rows) -> dict[str, Tensor]:
    """Give rows that lack a modality the mean scores of the others; see `stacking`."""
    named = {source: get_matrix_fusion(source).modalities or () for source in parts}
    has = {source: present(rows, names[0]) for source, names in named.items() if len(names) == 1}
    filled = dict(parts)
    for source, found in has.items():
        others = [other for other in has if other != source]
        if others:
            weights = torch.stack([has[other].float() for other in others])
            total = (torch.stack([parts[other] for other in others]) * weights).sum(dim=0)
            count = weights.sum(dim=0)
            filled[source] = torch.where(found | (count == 0), parts[source], total / count)
    return filled
