"""The scatter of rows: one eigendecomposition, and every penalty is a division.

That gives ridge regressions of all penalties, and steps of all logistic regressions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Scatter:
    """The squares of n rows about their `mean` (d,), summed: `values` (d,) and `vectors` (d, d).

    They are of the precision of the Gram matrix.
    """

    n_rows: float
    mean: Tensor
    values: Tensor
    vectors: Tensor

    @classmethod
    def of(cls, gram: Tensor) -> Scatter:
        """That of rows with this Gram matrix, (d + 1, d + 1)."""
        exact = gram.double().cpu()  # numpy's LAPACK takes a tenth of the time of torch's
        n_rows = float(exact[-1, -1])
        mean = exact[-1, :-1] / n_rows
        scatter = exact[:-1, :-1] - n_rows * torch.outer(mean, mean)
        values, vectors = np.linalg.eigh(scatter.numpy())
        parts = (mean, torch.from_numpy(values.clip(min=0)), torch.from_numpy(vectors))
        return cls(n_rows, *(part.to(gram) for part in parts))

    @property
    def squared_length(self) -> float:
        """That of the rows, in the mean."""
        return float(self.values.double().sum() / self.n_rows + self.mean.double().square().sum())

    def solve(self, slope: Tensor, curvature: Tensor, ridge: Tensor) -> Tensor:
        """The Newton step for `slope`, (d + 1, p), if all rows had the mean `curvature`, (p,)."""
        share = curvature / self.n_rows
        w = self.vectors.T @ (slope[:-1] - self.mean[:, None] * slope[-1])
        w = self.vectors @ (w / (share * self.values[:, None] + ridge))
        return torch.cat([w, slope[-1:] / curvature - self.mean @ w])


def gram_matrix(x: Tensor) -> Tensor:
    """XᵀX with a column of ones added to X, of shape (d + 1, d + 1)."""
    total = x.sum(dim=0, keepdim=True)
    gram = torch.empty(x.shape[1] + 1, x.shape[1] + 1, device=x.device)
    gram[:-1, :-1] = x.T @ x
    gram[-1:, :-1], gram[:-1, -1:], gram[-1, -1] = total, total.T, len(x)
    return gram
