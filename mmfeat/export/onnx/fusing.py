"""Feature fusions as torch computes them; each function is that of the same name in `matrix`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn

from mmfeat.errors import FitError
from mmfeat.export.onnx.inputs import Rows
from mmfeat.fit.fusion import LearnedFusion, get_matrix_fusion, matrix
from mmfeat.fit.fusion.rows import LEAST, MOST


@dataclass(frozen=True, kw_only=True)
class ModalityTensors:
    """The modalities that a fusion joins; see `mmfeat.fit.fusion.rows.ModalityRows`."""

    rows: Rows
    modalities: tuple[str, ...]
    normalise: bool

    def read(self) -> list[Tensor]:
        """The rows (n, d) of each modality, zero where it is missing."""
        return [
            torch.cat([self._filled(part) for part in self.rows[name]], dim=1)
            for name in self.modalities
        ]

    def present(self) -> list[Tensor]:
        """Whether each row has each modality, (n, 1)."""
        return [present(self.rows, name) for name in self.modalities]

    def _filled(self, part: Tensor) -> Tensor:
        found = torch.where(is_finite(part), part, 0.0)
        if not self.normalise:
            return found
        exact = found.double()
        squares = exact.square().sum(dim=1, keepdim=True)
        ordinary = (squares > LEAST) & (squares < MOST)
        factor = (1 / torch.where(ordinary, squares, 1.0).sqrt()).float()
        length = torch.where(squares > 0, squares, 1.0).sqrt()
        return torch.where(ordinary, found * factor, (exact / length).float())


def is_finite(part: Tensor) -> Tensor:
    """Whether all numbers of a row are finite, (n, 1)."""
    return torch.isfinite(part).all(dim=1, keepdim=True)


def present(rows: Rows, modality: str) -> Tensor:
    """Whether any feature set has an embedding of `modality` for each row, (n, 1)."""
    return reduce(torch.logical_or, [is_finite(part) for part in rows[modality]])


def side_by_side(rows: ModalityTensors) -> Tensor:
    return torch.cat(rows.read(), dim=1)


def side_by_side_with_product(rows: ModalityTensors) -> Tensor:
    parts = rows.read()
    return torch.cat([*parts, reduce(torch.mul, parts)], dim=1)


def add(rows: ModalityTensors) -> Tensor:
    return reduce(torch.add, rows.read())


def average(rows: ModalityTensors) -> Tensor:
    count = torch.cat(rows.present(), dim=1).float().sum(dim=1, keepdim=True)
    return add(rows) / count.clamp(min=1)


def multiply(rows: ModalityTensors) -> Tensor:
    return reduce(torch.mul, rows.read())


def maximum(rows: ModalityTensors) -> Tensor:
    lowest = -torch.inf
    parts = zip(rows.read(), rows.present(), strict=True)
    found = reduce(torch.maximum, [torch.where(here, part, lowest) for part, here in parts])
    return torch.where(torch.isfinite(found), found, 0.0)


def difference(rows: ModalityTensors) -> Tensor:
    first, second = rows.read()
    both = reduce(torch.logical_and, rows.present())
    return torch.where(both, (first - second).abs(), 0.0)


FUNCTIONS: dict[object, Callable[[ModalityTensors], Tensor]] = {
    matrix.side_by_side: side_by_side,
    matrix.side_by_side_with_product: side_by_side_with_product,
    matrix.add: add,
    matrix.average: average,
    matrix.multiply: multiply,
    matrix.maximum: maximum,
    matrix.difference: difference,
}


class Fusing(nn.Module):
    """Embeddings -> one matrix (n, d), as `mmfeat.fit.fusion.fuse.fuse` makes it."""

    def __init__(self, fusion: str, *, normalise: bool) -> None:
        super().__init__()
        spec = get_matrix_fusion(fusion)
        function = matrix.side_by_side if isinstance(spec, LearnedFusion) else spec.function
        if function not in FUNCTIONS:
            raise FitError(
                "an ONNX graph computes the fusions of mmfeat/export/onnx/fusing.py",
                f"{fusion} is not one of them",
                "write its function in torch there, or export a bundle with --to",
            )
        self.function, self.modalities = FUNCTIONS[function], spec.modalities
        self.normalise = normalise

    def forward(self, rows: Rows) -> Tensor:
        """Fuse the rows."""
        modalities = self.modalities or tuple(rows)
        return self.function(
            ModalityTensors(rows=rows, modalities=modalities, normalise=self.normalise)
        )
