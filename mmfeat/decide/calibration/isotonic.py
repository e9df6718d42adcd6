"""Isotonic regression of one class on any subset of the folds, after one sort.

1. A step of least squared error begins at the score of a positive; rows up to the next positive are
   pooled with it. So rows are counted between the scores of all positives.
2. For a subset of the folds the counts are added. Positions where no positive of these folds lies
   are pooled like others.
3. A map has the values at the first and last score of each step, with linear interpolation
   between.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mmfeat.types import IntArray, RealArray, Targets


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Counts between the scores of positives, by fold.

    Attributes
    ----------
    starts
        Of shape (m,), rising: 0, and the distinct scores of the positives of all folds.
    rows, hits
        Of shape (folds, m): the rows from each start up to the next, and the positives among them.
    highest
        Of shape (folds, m): the highest score of these rows; 0 if there are none.
    lowest
        Of shape (folds,): the lowest score of all.
    """

    starts: RealArray
    rows: IntArray
    hits: IntArray
    highest: RealArray
    lowest: RealArray

    @classmethod
    def of(cls, folds: Iterable[tuple[RealArray, Targets]]) -> Steps:
        """Count each fold's rows: rising scores in [0, 1] and truth, 0 or 1, of shape (n,)."""
        parts = list(folds)
        positives = [p[truth.astype(bool)] for p, truth in parts]
        starts = np.unique(np.concatenate([np.zeros_like(parts[0][0][:1]), *positives]))
        ends = [np.append(np.searchsorted(p, starts), len(p)) for p, _ in parts]
        rows = np.array([np.diff(end) for end in ends])
        return cls(
            starts=starts,
            rows=rows,
            hits=np.array(
                [np.diff(np.searchsorted(found, starts), append=len(found)) for found in positives]
            ),
            highest=np.array([p[end[1:] - 1] for (p, _), end in zip(parts, ends, strict=True)])
            * (rows > 0),
            lowest=np.array([p[0] for p, _ in parts]),
        )

    def fit(self, folds: Sequence[int]) -> tuple[float, ...]:
        """The map fitted on `folds`: m rising scores, followed by their m values.

        Values lie in [ε, 1 − ε] with ε = 1 / (n + 2): n rows cannot show that a rate is 0 or 1.
        """
        from scipy.optimize import isotonic_regression  # noqa: PLC0415

        some = list(folds)
        counts = self.rows[some].sum(axis=0)
        full = np.flatnonzero(counts)
        low, high = self.starts[full], self.highest[some].max(axis=0)[full]
        low[0] = self.lowest[some].min()
        rows = counts[full].astype(np.float64)
        values = isotonic_regression(self.hits[some].sum(axis=0)[full] / rows, weights=rows).x
        first = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
        last = np.append(first[1:] - 1, len(values) - 1)
        margin = 1 / (counts.sum() + 2)
        scores = np.column_stack([low[first], high[last]]).ravel()
        steps = np.clip(values[first], margin, 1 - margin).repeat(2)
        kept = np.append(True, scores[1:] != scores[:-1])
        return (*scores[kept].tolist(), *steps[kept].tolist())
