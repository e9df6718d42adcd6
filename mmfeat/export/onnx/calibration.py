"""Calibration as torch computes it: maps of all classes of one kind at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mmfeat.core.plugins import check_name
from mmfeat.decide.calibration.calibrator import Calibrator
from mmfeat.export.onnx.scores import clipped, logit, sigmoid
from mmfeat.metrics.probability import SMALLEST

Maps = Sequence[Calibrator]  # of one kind


class Calibration(nn.Module):
    """Probabilities (n, k) -> calibrated ones (n, k), float64, as `calibrate` gives them."""

    def __init__(self, maps: Sequence[Calibrator]) -> None:
        super().__init__()
        self.places: Tensor
        found: dict[str, list[int]] = {}
        for at, one in enumerate(maps):
            found.setdefault(check_name(one.kind, KINDS, "calibration map"), []).append(at)
        self.columns = list(found.values())
        self.maps = nn.ModuleList(
            KINDS[kind]([maps[at] for at in columns]) for kind, columns in found.items()
        )
        order = [at for columns in self.columns for at in columns]
        self.register_buffer("places", torch.from_numpy(np.argsort(order)))

    def forward(self, probabilities: Tensor) -> Tensor:
        """Map the classes of each kind, and put them into their places."""
        p = probabilities.double()
        parts = zip(self.maps, self.columns, strict=True)
        return torch.cat([one(p[:, columns]) for one, columns in parts], dim=1)[:, self.places]


class Identity(nn.Module):
    """Classes that stay as they are."""

    def __init__(self, maps: Maps) -> None:
        super().__init__()

    def forward(self, p: Tensor) -> Tensor:
        """(n, classes) -> the same."""
        return p


class Logistic(nn.Module):
    """Platt's maps, and beta maps: the sigmoid of weighted features of a probability."""

    def __init__(self, maps: Maps) -> None:
        super().__init__()
        self.weights: Tensor
        parameters = np.array([one.parameters for one in maps])
        self.register_buffer("weights", torch.from_numpy(parameters.T.copy()))

    def forward(self, p: Tensor) -> Tensor:
        """(n, classes) -> the same shape."""
        *weights, offset = self.weights
        features = self._features(p)
        total = sum(one * weight for one, weight in zip(features, weights, strict=True))
        return sigmoid(total + offset)

    def _features(self, p: Tensor) -> list[Tensor]:
        return [logit(p, smallest=SMALLEST)]


class Beta(Logistic):
    """Beta maps."""

    def _features(self, p: Tensor) -> list[Tensor]:
        inner = clipped(p, smallest=SMALLEST)
        return [torch.log(inner), -torch.log1p(-inner)]


class Isotonic(nn.Module):
    """Isotonic maps: linear between scores, which are filled up to equally many for each class."""

    def __init__(self, maps: Maps) -> None:
        super().__init__()
        self.scores: Tensor
        self.values: Tensor
        halves = [np.split(np.array(one.parameters), 2) for one in maps]
        most = max(len(scores) for scores, _ in halves)
        for at, name in enumerate(("scores", "values")):
            filled = [np.pad(half[at], (0, most - len(half[at])), mode="edge") for half in halves]
            self.register_buffer(name, torch.from_numpy(np.array(filled).T.copy()))

    def forward(self, p: Tensor) -> Tensor:
        """(n, classes) -> the same shape."""
        most = self.scores.shape[0]
        # the last score that is not above p; equal ones at the end are one
        below = (p[:, None, :] >= self.scores).sum(dim=1).clamp(1, most) - 1
        above = (below + 1).clamp(max=most - 1)
        x0, x1 = self.scores.gather(0, below), self.scores.gather(0, above)
        y0, y1 = self.values.gather(0, below), self.values.gather(0, above)
        gap = x1 - x0
        share = ((p - x0) / torch.where(gap > 0, gap, 1.0)).clamp(0, 1)
        return y0 + share * (y1 - y0)


KINDS: dict[str, Callable[[Maps], nn.Module]] = {
    "identity": Identity,
    "platt": Logistic,
    "beta": Beta,
    "isotonic": Isotonic,
}
