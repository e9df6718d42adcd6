"""What an objective is worth, for the rows as they are or for many resamples of them at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmfeat.metrics.sets import ratio, row_f1
from mmfeat.thresholds.problem import Problem
from mmfeat.types import Targets

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Weighted counts of a prediction, one line per resample.

    Attributes
    ----------
    hits, chosen, support
        Of shape (r, k): right predictions, predictions and true labels of each class.
    samples_f1
        Of shape (r,): weighted mean of the rows' F1.
    """

    hits: Values
    chosen: Values
    support: Values
    samples_f1: Values


def tally(problem: Problem, predicted: Targets, weights: Values | None = None) -> Tally:
    """Count `predicted` of shape (n, k) with each line of `weights` of shape (r, n); None: once."""
    w = np.ones((1, len(predicted))) if weights is None else weights
    truth = problem.targets
    return Tally(
        hits=w @ (predicted & truth).astype(np.float64),
        chosen=w @ predicted.astype(np.float64),
        support=w @ truth.astype(np.float64),
        samples_f1=w @ row_f1(predicted, truth) / np.maximum(w.sum(axis=1), 1),
    )


def macro_f_beta(problem: Problem, counted: Tally) -> Values:
    """Mean F-beta of the classes that have positives, of shape (r,); 0 where none has."""
    squared = problem.beta**2
    total = squared * counted.support + counted.chosen
    return _mean(ratio((1 + squared) * counted.hits, total, 0.0), counted.support > 0)


def micro_f1(problem: Problem, counted: Tally) -> Values:
    """F1 of all cells, of shape (r,)."""
    total = (counted.chosen + counted.support).sum(axis=1)
    return ratio(2 * counted.hits.sum(axis=1), total, 0.0)


def samples_f1(problem: Problem, counted: Tally) -> Values:
    """Mean F1 of the rows, of shape (r,)."""
    return counted.samples_f1


def precision_met(problem: Problem, counted: Tally) -> Values:
    """Share of the classes with positives whose precision reaches the floor, of shape (r,)."""
    precision = ratio(counted.hits, counted.chosen, 0.0)
    return _mean(precision >= problem.floor, counted.support > 0)


def recall_met(problem: Problem, counted: Tally) -> Values:
    """Share of the classes with positives whose recall reaches the floor, of shape (r,)."""
    recall = ratio(counted.hits, counted.support, 0.0)
    return _mean(recall >= problem.floor, counted.support > 0)


def _mean(values: NDArray[np.generic], present: NDArray[np.bool_]) -> Values:
    return ratio((values * present).sum(axis=1), present.sum(axis=1).astype(np.float64), 0.0)
