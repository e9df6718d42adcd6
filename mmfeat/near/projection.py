"""A few coordinates in place of many, in which no cosine becomes smaller.

Vectors of length 1 are projected on the m directions with most of their length, and what the
projection drops, of length r, becomes one more coordinate. By Cauchy and Schwarz, the cosine of
two vectors is at most the product of their m coordinates plus r · r'. So pairs above a bound in
m + 1 coordinates hold all pairs above it, and few others: these are checked in full width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmfeat.types import FloatArray

WIDTHS = (32, 64, 128, 256, 512)
SQUARED_ROUNDING = 1e-6  # of a squared length: r is never too small
HELD_OUT = 4  # of so many rows of the sample one tells how well directions of the others serve
# seconds: of a product and a sum, of a comparison, of reading one number of a pair for the check
PRODUCT, COMPARISON, CHECK = 2e-11, 1.5e-9, 2e-9


@dataclass(frozen=True)
class Projection:
    """The directions, (d, m), orthonormal."""

    basis: FloatArray

    @property
    def width(self) -> int:
        """How many coordinates a projected vector has."""
        return int(self.basis.shape[1]) + 1

    def project(self, vectors: FloatArray) -> FloatArray:
        """Give the coordinates (b, m + 1) of vectors (b, d) of length 1; theirs is about 1."""
        inside = vectors @ self.basis
        kept = np.einsum("ij,ij->i", inside, inside)
        whole = np.einsum("ij,ij->i", vectors, vectors)
        dropped = np.sqrt(np.maximum(whole - kept, 0) + SQUARED_ROUNDING)
        return np.concatenate([inside, dropped[:, None]], axis=1)


def choose_projection(sample: FloatArray, bound: float) -> Projection:
    """Choose the number of directions that makes the search cheapest, given vectors (s, d).

    Directions hold more of the rows that they are found on than of others, which judge them.
    """
    is_held_out = np.arange(len(sample)) % HELD_OUT == 0
    few, others = sample[is_held_out], sample[~is_held_out]
    _, directions = np.linalg.eigh(others.T @ others)  # by ascending length
    directions = np.ascontiguousarray(directions[:, ::-1])
    width = sample.shape[1]
    costs = {}
    for m in sorted({min(m, width) for m in WIDTHS}):
        projection = Projection(np.ascontiguousarray(directions[:, :m]))
        projected = projection.project(few)
        share = float((projected @ projected.T >= bound).mean()) - 1 / len(few)
        costs[m] = m * PRODUCT + COMPARISON + share * width * CHECK
    best = min(costs, key=lambda m: costs[m])
    return Projection(np.ascontiguousarray(directions[:, :best]))
