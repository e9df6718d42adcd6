"""Least squares with a penalty: sums over rows, fits of all penalties, and rows left out of them.

What a fit gives for a row that it was not fitted on follows from the row's leverage (Allen 1974,
PRESS); for a group of rows, from the block of their leverages H: with targets y and scores s of the
whole fit, the scores without the group are (I - H)⁻¹ (s - H y). Where labels of a class are
unknown, the scatter of all rows stands for that of its known rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmfeat.fit.heads.solvers.scatter import Scatter, gram_matrix
from mmfeat.fit.heads.streaming import in_order
from mmfeat.types import Float64Array, IntArray, Matrix, Targets

SMALLEST = 1e-3  # of 1 - leverage: a row that alone has its direction has a leverage of 1
TINY = 1e-6  # part of the identity that keeps the block of such rows regular


@dataclass(frozen=True)
class Sums:
    """What least squares needs of rows: sums over products of their numbers and a 1, in float64.

    `gram` is (d + 1, d + 1); `seen` and `hits`, (d + 1, k), are the sums of the rows in which a
    class is known, and of its positives.
    """

    gram: Tensor
    seen: Tensor
    hits: Tensor

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.gram + other.gram, self.seen + other.seen, self.hits + other.hits)

    def __sub__(self, other: Sums) -> Sums:
        return Sums(self.gram - other.gram, self.seen - other.seen, self.hits - other.hits)


def sums_of(x: Matrix, y: Targets, rows: IntArray, device: torch.device) -> Sums:
    """The sums of the chosen `rows`, ascending, of `x`, (n, d), and `y`, (n, k)."""
    width, n_classes = x.shape[1] + 1, y.shape[1]
    shapes = ((width, width), (width, n_classes), (width, n_classes))
    total = Sums(*(torch.zeros(shape, dtype=torch.float64, device=device) for shape in shapes))
    for at, block in in_order(x, rows):
        values, targets = torch.from_numpy(block).to(device), torch.from_numpy(y[rows[at]])
        known, positive = ((targets <= 1).to(values), (targets == 1).to(values))
        seen, hits = (torch.cat([values.T @ m, m.sum(dim=0)[None]]) for m in (known, positive))
        total.gram.add_(gram_matrix(values))
        total.seen.add_(seen)
        total.hits.add_(hits)
    return total


class Fits:
    """Ridge regressions of all classes with all `penalties`, of centred rows and targets."""

    def __init__(self, sums: Sums, penalties: Float64Array) -> None:
        self.scatter, seen = Scatter.of(sums.gram), sums.seen
        counts = seen[-1].clamp(min=1)
        self.rates = sums.hits[-1] / counts
        self.share = counts / self.scatter.n_rows  # of rows in which a class is known
        cross = sums.hits[:-1] - seen[:-1] * self.rates
        self.cross = self.scatter.vectors.T @ cross / self.share
        values, scale = self.scatter.values, self.scatter.values.mean().clamp(min=1e-30)
        self.shrinkage = 1 / (values + torch.from_numpy(penalties[:, None]).to(values) * scale)

    def scores(self, x: Tensor) -> Tensor:
        """Scores above the rate of each class, (penalties, n, k), for rows (n, d)."""
        return self._scores(self._rotated(x))

    def scores_without(self, x: Tensor, y: Targets, groups: IntArray) -> Tensor:
        """Scores of fitted rows `x`, with targets `y`, by fits without all rows of their group.

        `groups`, (n,), are those of these rows, and whole.
        """
        rotated, counts = self._rotated(x), torch.from_numpy(y <= 1).to(x) / self.share.float()
        above = (torch.from_numpy(y).to(x) - self.rates.float()) * counts
        scores = self._scores(rotated)
        leverage = 1 / self.scatter.n_rows + self.shrinkage.float() @ rotated.square().T
        alone = (1 - leverage[:, :, None] / self.share.float()).clamp(min=SMALLEST)
        found = (scores - leverage[:, :, None] * above) / alone
        _, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        in_groups, starts = np.argsort(member, kind="stable"), np.cumsum(sizes) - sizes
        for size in np.unique(sizes[sizes > 1]).tolist():
            rows = in_groups[starts[sizes == size, None] + np.arange(size)]  # (groups, size)
            blocks = rotated[rows], counts[rows], above[rows]
            for point, shrinkage in enumerate(self.shrinkage.float()):
                found[point, rows] = self._without(scores[point, rows], *blocks, shrinkage)
        return found

    def _without(
        self, scores: Tensor, rotated: Tensor, counts: Tensor, above: Tensor, shrinkage: Tensor
    ) -> Tensor:
        """Scores (groups, size, k) with one penalty, by fits without the group."""
        leverage = (rotated * shrinkage) @ rotated.mT + 1 / self.scatter.n_rows
        right, found = scores - leverage @ above, torch.empty_like(scores)
        one = torch.eye(rotated.shape[1]).to(rotated) * (1 + TINY)
        known = np.flatnonzero((self.share == 1).cpu())  # classes that weight all rows alike
        partly = np.flatnonzero((self.share != 1).cpu())
        for classes in filter(len, (known, *partly[:, None])):
            left = one - leverage * counts[..., classes[:1]].mT
            found[..., classes] = torch.linalg.solve_ex(left, right[..., classes]).result
        return found

    def _rotated(self, x: Tensor) -> Tensor:
        return (x - self.scatter.mean.float()) @ self.scatter.vectors.float()

    def _scores(self, rotated: Tensor) -> Tensor:
        slopes = self.shrinkage.T[:, :, None] * self.cross[:, None]  # (d, penalties, k)
        found = rotated @ slopes.flatten(1).float()
        return found.reshape(len(rotated), *slopes.shape[1:]).movedim(1, 0)

    def weights(self, points: IntArray) -> Float64Array:
        """The weights of each class, (d, k), with the penalty of that number, (k,)."""
        chosen = self.shrinkage[torch.from_numpy(points).to(self.shrinkage.device)]
        weights: Float64Array = (self.scatter.vectors @ (chosen.T * self.cross)).cpu().numpy()
        return weights
