"""The functions that value label sets, for all rows or for many resamples at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mmfeat.decide.thresholds.tuning_data import TuningData
from mmfeat.metrics.known import judged_rows, known_only
from mmfeat.metrics.sets import ratio, row_f1
from mmfeat.types import Float64Array, IntArray, Targets

COUNTED_ROWS = 2**14  # rows whose counts are summed at a time, in float32
MANY_PRODUCTS = 2**28  # which take a blink
SPARSE = 0.05  # share of ones up to which many sums skip the zeros


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Weighted counts of a prediction, one line per resample, computed on first use.

    Attributes
    ----------
    predicted, truth
        Of shape (n, k), 0 or 1; both 0 where the target is unknown.
    judged
        The rows that can be judged, ascending; None: all.
    weights
        Of shape (r, n): how often each row counts; None: every row once.
    many_products
        Weights times labels up to which sums are dense; they are the same either way.
    hits, chosen, support
        Of shape (r, k): right predictions, predictions and true labels of each class.
    cells
        Three of shape (r,): the same over all classes.
    samples_f1
        Of shape (r,): weighted mean of the rows' F1.
    """

    predicted: Targets
    truth: Targets
    weights: NDArray[np.number] | None
    judged: IntArray | None = None
    many_products: int = MANY_PRODUCTS

    @cached_property
    def hits(self) -> Float64Array:
        return self._sums(self._right())

    @cached_property
    def chosen(self) -> Float64Array:
        return self._sums(self.predicted)

    @cached_property
    def support(self) -> Float64Array:
        return self._sums(self.truth)

    @cached_property
    def cells(self) -> tuple[Float64Array, Float64Array, Float64Array]:
        if self.weights is None:
            return self.hits.sum(axis=1), self.chosen.sum(axis=1), self.support.sum(axis=1)
        # counts per row first, then weights: class by class would take k times as long
        rows = np.empty((len(self.truth), 3))
        for column, sets in zip(rows.T, (self._right(), self.predicted, self.truth), strict=True):
            column[:] = sets.sum(axis=1, dtype=np.int64)
        hits, chosen, support = self._weighted(rows).T
        return hits, chosen, support

    @cached_property
    def samples_f1(self) -> Float64Array:
        f1 = row_f1(self.predicted, self.truth)  # 0 for a row that is not judged
        if self.weights is None:
            return np.array([f1.sum() / max(len(f1 if self.judged is None else self.judged), 1)])
        counted = self.weights if self.judged is None else self.weights[:, self.judged]
        total = counted.sum(axis=1, dtype=np.float64)
        mean: Float64Array = self._weighted(f1) / np.maximum(total, 1)
        return mean

    def _right(self) -> Targets:
        return self.predicted & self.truth

    def _weighted(self, rows: Float64Array) -> Float64Array:
        """The weighted sums of `rows`, of shape (n,) or (n, c), in float64."""
        assert self.weights is not None
        total = np.zeros((len(self.weights), *rows.shape[1:]))
        for start in range(0, len(rows), COUNTED_ROWS):
            part = slice(start, start + COUNTED_ROWS)
            total += self.weights[:, part].astype(np.float64) @ rows[part]
        return total

    def _sums(self, sets: Targets) -> Float64Array:
        """The sum of `sets` over the rows.

        In float32, which is exact: a sum of counts is below 2²⁴ within `COUNTED_ROWS` rows.
        """
        if self.weights is None:
            once: Float64Array = sets.sum(axis=0, dtype=np.float64)[None]
            return once
        total = np.zeros((len(self.weights), sets.shape[1]))
        for start in range(0, len(sets), COUNTED_ROWS):
            rows = slice(start, start + COUNTED_ROWS)
            weights, part = self.weights[:, rows].astype(np.float32), sets[rows]
            if len(weights) * part.size > self.many_products and part.mean() < SPARSE:
                total += _sparse_sums(weights, part)
            else:
                total += weights @ part.astype(np.float32)
        return total


def _sparse_sums(weights: NDArray[np.float32], sets: Targets) -> NDArray[np.float32]:
    """Same as `weights @ sets`, of shape (r, k)."""
    from scipy.sparse import csc_array  # noqa: PLC0415 - loads slowly

    n_rows, n_labels = sets.shape
    rows, labels = np.divmod(np.flatnonzero(sets.view(bool)), n_labels)
    starts = np.searchsorted(rows, np.arange(n_rows + 1))
    ones = np.ones(len(labels), dtype=np.float32)
    sums: NDArray[np.float32] = csc_array((ones, labels, starts), (n_labels, n_rows)) @ weights.T
    return sums.T


def tally(data: TuningData, predicted: Targets, weights: NDArray[np.number] | None = None) -> Tally:
    """Count `predicted`, (n, k), with each line of `weights`, (r, n); None: every row once."""
    sets, truth = known_only(predicted, data.targets)
    return Tally(predicted=sets, truth=truth, weights=weights, judged=judged_rows(data.targets))


def macro_f_beta(data: TuningData, counted: Tally) -> Float64Array:
    """Mean F-beta of the classes that have positives, of shape (r,); 0 where none has."""
    squared = data.beta**2
    total = squared * counted.support + counted.chosen
    return _mean(ratio((1 + squared) * counted.hits, total, 0.0), counted.support > 0)


def micro_f1(data: TuningData, counted: Tally) -> Float64Array:
    """F1 of all cells, of shape (r,)."""
    hits, chosen, support = counted.cells
    return ratio(2 * hits, chosen + support, 0.0)


def samples_f1(data: TuningData, counted: Tally) -> Float64Array:
    """Mean F1 of the rows, of shape (r,)."""
    return counted.samples_f1


def precision_met(data: TuningData, counted: Tally) -> Float64Array:
    """Share of the classes with positives whose precision reaches the floor, of shape (r,)."""
    precision = ratio(counted.hits, counted.chosen, 0.0)
    return _mean(precision >= data.floor, counted.support > 0)


def recall_met(data: TuningData, counted: Tally) -> Float64Array:
    """Share of the classes with positives whose recall reaches the floor, of shape (r,)."""
    recall = ratio(counted.hits, counted.support, 0.0)
    return _mean(recall >= data.floor, counted.support > 0)


def _mean(values: NDArray[np.generic], present: NDArray[np.bool_]) -> Float64Array:
    return ratio((values * present).sum(axis=1), present.sum(axis=1).astype(np.float64), 0.0)
