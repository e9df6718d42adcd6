"""The problems of `mmfeat.fit.heads.solvers.lbfgs` on rows that do not fit into memory.

Value and slope come from one pass over the rows; no logits are kept from one step to the next.
That takes as many products as for rows in memory, and no array of n × p.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mmfeat.fit.heads.solvers.lbfgs import Line, Point, Problems, log_loss, wrongness
from mmfeat.fit.heads.solvers.products import Products
from mmfeat.fit.heads.solvers.scatter import Scatter, gram_matrix
from mmfeat.fit.heads.streaming import in_order
from mmfeat.types import Stream


class StreamedProblems(Problems):
    """Rows `x`, (n, d), with targets (n, k) and folds (n, f): problem j is (fold_of, class_of)[j].

    `y` and `inside`, whether a row belongs to a fold's training rows, are uint8 and bool. A row
    whose target is unknown is neither fitted nor left out.
    """

    noise = 3e-6  # every value rounds its own logits; less makes searches of rare classes endless

    def __init__(
        self,
        x: Stream,
        scatter: Scatter,
        y: Tensor,
        inside: Tensor,
        *,
        fold_of: Tensor,
        class_of: Tensor,
        centre: Tensor,
    ) -> None:
        self.x, self.scatter, self.y, self.inside = x, scatter, y, inside
        self.fold_of, self.class_of, self.centre = fold_of, class_of, centre

    def part(self, columns: Tensor) -> StreamedProblems:
        """The chosen problems alone."""
        return StreamedProblems(
            self.x,
            self.scatter,
            self.y,
            self.inside,
            fold_of=self.fold_of[columns],
            class_of=self.class_of[columns],
            centre=self.centre[:, columns],
        )

    def at(self, w: Tensor, ridge: Tensor) -> Point:
        """Value and slope at `w`, by one pass."""
        value, slope = torch.zeros(w.shape[1], dtype=torch.float64), torch.zeros_like(w)
        curvature = torch.zeros_like(w[0])
        for x, y, m, _ in self._blocks():
            z = Products(x).logits(w)
            value += (log_loss(z, y) * m).sum(dim=0).double().cpu()
            p = wrongness(z, y).sigmoid_().mul_(m)
            curvature += torch.addcmul(p, p, p, value=-1).sum(dim=0)
            rest = p.addcmul_(p, y, value=-2)
            slope[:-1].addmm_(x.T, rest)
            slope[-1] += rest.sum(dim=0)
        away = w[:-1] - self.centre
        slope[:-1] += ridge * away
        value += (ridge / 2 * away.square().sum(dim=0)).double().cpu()
        return Point(w, value.to(w), slope, curvature)

    def along(self, point: Point, step: Tensor, ridge: Tensor) -> Line:
        """Every length takes a pass; the first one is nearly always accepted."""
        return _StreamedLine(self, point, step, ridge)

    def left_out(self, w: Tensor) -> Tensor:
        """The log-loss of the known rows that the masks leave out, by one pass."""
        total = torch.zeros(w.shape[1], dtype=torch.float64)
        for x, y, _, left in self._blocks():
            total += (log_loss(Products(x).logits(w), y) * left).sum(dim=0).double().cpu()
        return total

    def _blocks(self) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Rows, targets, and which of them are fitted, and left out."""
        for rows, x in in_order(self.x, np.arange(len(self.x))):
            y, inside = self.y[rows][:, self.class_of], self.inside[rows][:, self.fold_of]
            m, left = inside & (y <= 1), ~inside & (y <= 1)
            yield (
                torch.from_numpy(x).to(self.scatter.mean.device),
                y.float(),
                m.float(),
                left.float(),
            )


class _StreamedLine(Line):
    def __init__(self, problems: StreamedProblems, point: Point, step: Tensor, ridge: Tensor):
        self._problems, self._point, self._step, self._ridge = problems, point, step, ridge

    def value(self, length: Tensor) -> Tensor:
        self._end = self._problems.at(self._point.w + length * self._step, self._ridge)
        return self._end.value

    def end(self) -> Point:
        return self._end


def streamed_gram(x: Stream, device: torch.device) -> Tensor:
    """The Gram matrix of `mmfeat.fit.heads.solvers.scatter.gram_matrix`, summed in float64."""
    total = torch.zeros(x.shape[1] + 1, x.shape[1] + 1, dtype=torch.float64)
    for _, part in in_order(x, np.arange(len(x))):
        total += gram_matrix(torch.from_numpy(part).to(device)).cpu()
    return total.float().to(device)
