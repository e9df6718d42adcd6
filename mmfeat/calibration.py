"""Calibration: maps that make a class's probabilities mean what they say.

Of each class the map is chosen by its log-loss on folds that it was not fitted on; where none
is better than leaving the probabilities alone by more than one standard error, they are left
alone. Every map rises, so that thresholds on the raw probabilities keep their meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmfeat.classes import map_classes
from mmfeat.condense import Condensed, logit, sigmoid
from mmfeat.metrics.probability import SMALLEST, cell_log_loss, class_calibration_error
from mmfeat.metrics.ranked import find_corners, rising_order
from mmfeat.types import FloatArray, IntArray, Targets

Scores = NDArray[np.floating]  # (n,) in [0, 1]
Values = NDArray[np.float64]
Number = TypeVar("Number", bound=np.generic)

MIN_EACH = 5  # positives and negatives that a map is fitted on at least
RIDGE = 1e-6
MAX_STEPS = 50
SMALLEST_STEP = 1e-6
MANY = 2**16  # rows from which on smooth maps are fitted to condensed ones
ROWS_AT_ONCE = 2**13  # whose numbers stay in the processor's cache


@dataclass(frozen=True)
class Calibrator:
    """A rising map of one class's probabilities: `identity`, `platt`, `beta` or `isotonic`.

    `parameters` are of `platt` slope and offset of the logit; of `beta` the weights of ln p and
    −ln(1−p) and the offset; of `isotonic` m scores followed by their m values, interpolated.
    """

    kind: str = "identity"
    parameters: tuple[float, ...] = ()

    def __call__(self, probabilities: NDArray[np.floating]) -> Values:
        """Map `probabilities` of shape (n,) in [0, 1] to probabilities of shape (n,)."""
        p = probabilities.astype(np.float64)
        if self.kind == "identity":
            return p
        if self.kind == "isotonic":
            scores, values = np.split(np.array(self.parameters), 2)
            mapped: Values = np.interp(p, scores, values)
            return mapped
        weights = np.array(self.parameters)
        logits = FEATURES[self.kind](p) @ weights[:-1] + weights[-1]
        return sigmoid(logits)

    def to_json(self) -> dict[str, Any]:
        """As it stands in thresholds.json."""
        return {"kind": self.kind, "parameters": list(self.parameters)}


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The maps of all classes, and what mapping the tuning rows, each out of fold, changes.

    `before` and `after` hold log-loss and calibration error, means over the classes.
    """

    maps: tuple[Calibrator, ...]
    before: dict[str, float]
    after: dict[str, float]


def calibrate(
    maps: tuple[Calibrator, ...], probabilities: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Apply one map per class to `probabilities` of shape (n, k)."""
    return np.column_stack([f(p) for f, p in zip(maps, probabilities.T, strict=True)])


def fit_calibration(probabilities: FloatArray, targets: Targets, folds: IntArray) -> Calibration:
    """Choose and fit a map for each class.

    `probabilities` and `targets` of shape (n, k), `folds` of shape (n,).
    """
    rows = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
    found = map_classes(
        lambda j: _fit_class(probabilities[:, j], targets[:, j], rows), range(targets.shape[1])
    )
    maps, before, after = zip(*found, strict=True)
    return Calibration(maps=maps, before=_means(before), after=_means(after))


def _means(classes: Sequence[tuple[float, float]]) -> dict[str, float]:
    log_loss, error = np.mean(classes, axis=0).tolist()
    return {"log_loss": log_loss, "calibration_error": error}


def fit_platt(p: Scores, truth: Targets, weights: Values | None = None) -> Calibrator | None:
    """Logistic regression on the logit (Platt 1999); None where it would not rise."""
    found = logistic(logit(p)[:, None], truth, weights)
    return Calibrator("platt", tuple(found.tolist())) if found[0] > 0 else None


def fit_beta(p: Scores, truth: Targets, weights: Values | None = None) -> Calibrator | None:
    """Logistic regression on ln p and −ln(1−p) (Kull et al. 2017); None where it falls."""
    found = logistic(_beta_features(p), truth, weights)
    rises = (found[:2] >= 0).all() and found[:2].any()
    return Calibrator("beta", tuple(found.tolist())) if rises else None


def fit_isotonic(p: Scores, truth: Targets) -> Calibrator:
    """The rising step function of least squared error, interpolated between its steps.

    Its values keep away from 0 and 1 by 1 / (n + 2), which no number of rows can rule out.
    """
    from scipy.optimize import isotonic_regression  # noqa: PLC0415

    # a step begins at a positive's score: what lies above it up to the next is pooled with it
    corners = find_corners(p, truth)
    low = np.append(corners.lowest, corners.scores[::-1])
    high = np.append(corners.below[::-1], corners.highest)
    rows = np.diff(np.concatenate([[0], corners.chosen, [len(p)]]))[::-1].astype(np.float64)
    hits = np.diff(np.concatenate([[0], corners.hits, [truth.sum(dtype=np.int64)]]))[::-1]
    some = rows > 0  # below the lowest positive there may be nothing
    low, high, rows, hits = low[some], high[some], rows[some], hits[some]
    values = isotonic_regression(hits / rows, weights=rows).x
    first = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    last = np.append(first[1:] - 1, len(values) - 1)
    margin = 1 / (len(p) + 2)
    scores = np.column_stack([low[first], high[last]]).ravel()
    steps = np.clip(values[first], margin, 1 - margin).repeat(2)
    kept = np.append(True, scores[1:] != scores[:-1])
    return Calibrator("isotonic", (*scores[kept].tolist(), *steps[kept].tolist()))


FITS: dict[str, Callable[[Scores, Targets], Calibrator | None]] = {
    "platt": fit_platt,
    "beta": fit_beta,
    "isotonic": fit_isotonic,
}
SMOOTH = {"platt": fit_platt, "beta": fit_beta}  # these take weights, and so condensed rows


def _fit_class(
    p: Scores, truth: Targets, folds: list[IntArray]
) -> tuple[Calibrator, tuple[float, float], tuple[float, float]]:
    """The map of one class, and log-loss and calibration error before and after it.

    `folds` holds the rows of each.
    """
    fitting = _Fitting(p, truth, folds)
    p, truth = fitting.p, fitting.truth
    best, base = Calibrator(), cell_log_loss(p, truth)
    log_loss = float(base.mean())
    before = after = (log_loss, class_calibration_error(p[:, None], truth[:, None])[0])
    for kind in FITS:
        values = fitting.held_out(kind)
        if values is None:
            continue
        found = cell_log_loss(values, truth)
        gain = base - found
        pays = gain.mean() > gain.std() / np.sqrt(len(p))
        if pays and found.mean() < log_loss:
            fitted = fitting.fit(kind)
            if fitted is not None:
                best, log_loss = fitted, float(found.mean())
                after = (log_loss, class_calibration_error(values[:, None], truth[:, None])[0])
    return best, before, after


class _Fitting:
    """Maps of one class, fitted on all rows or on those outside one fold.

    The rows stand fold after fold, and by their scores within each, which makes it cheap to
    leave out a fold and to interpolate isotonic steps.
    """

    def __init__(self, p: Scores, truth: Targets, folds: list[IntArray]) -> None:
        order = np.concatenate([rows[rising_order(p[rows])] for rows in folds])
        self.p, self.truth = p[order], truth[order]
        ends = np.cumsum([len(rows) for rows in folds]).tolist()
        self.folds = [slice(*ends) for ends in pairwise([0, *ends])]
        self.condensed = None
        if len(p) > MANY:
            logits = (logit(self.p[rows]) for rows in self.folds)
            truths = (self.truth[rows] for rows in self.folds)
            self.condensed = Condensed.of(zip(logits, truths, strict=True))

    def fit(self, kind: str, *, without: int | None = None) -> Calibrator | None:
        """One map; None where it would not rise."""
        if self.condensed and kind in SMOOTH:
            return SMOOTH[kind](*self.condensed.rows(without=without))
        if without is None:
            return FITS[kind](self.p, self.truth)
        return FITS[kind](self._outside(self.p, without), self._outside(self.truth, without))

    def held_out(self, kind: str) -> Values | None:
        """Map each fold by what was fitted on the others; None where a fit is not possible."""
        values = np.empty(len(self.p))
        for fold, inside in enumerate(self.folds):
            outside = self._outside(self.truth, fold)
            positives = int(outside.sum(dtype=np.int64))
            if min(positives, len(outside) - positives) < MIN_EACH:
                return None
            fitted = self.fit(kind, without=fold)
            if fitted is None:
                return None
            values[inside] = fitted(self.p[inside])
        return values

    def _outside(self, values: NDArray[Number], fold: int) -> NDArray[Number]:
        inside = self.folds[fold]
        return np.concatenate([values[: inside.start], values[inside.stop :]])


def _beta_features(p: Scores) -> Values:
    clipped = np.clip(p.astype(np.float64), SMALLEST, 1 - SMALLEST)
    return np.column_stack([np.log(clipped), -np.log1p(-clipped)])


FEATURES: dict[str, Callable[[Scores], Values]] = {
    "platt": lambda p: logit(p)[:, None],
    "beta": _beta_features,
}


def logistic(features: Values, truth: Targets, weights: Values | None = None) -> Values:
    """Coefficients and offset, (d + 1,), of `features` (n, d) for `truth` (n,) of 0 and 1.

    By Newton's method towards Platt's targets, which are never 0 or 1. `weights` (n,) say how
    many rows each stands for; None: one.
    """
    counts = np.ones(len(truth)) if weights is None else weights
    rows, positives = float(counts.sum()), float(counts @ truth)
    high, low = (positives + 1) / (positives + 2), 1 / (rows - positives + 2)
    wanted = np.where(truth, high, low)
    x = np.column_stack([features, np.ones(len(features))])
    found: Values = np.append(np.ones(features.shape[1]), 0.0)  # the identity
    loss, gradient, hessian = _cross_entropy(x, wanted, counts, found)
    for _ in range(MAX_STEPS):
        step = np.linalg.solve(hessian + RIDGE * np.eye(x.shape[1]), gradient)
        if np.abs(step).max() < SMALLEST_STEP:
            return found - step
        while (closer := _cross_entropy(x, wanted, counts, found - step))[0] > loss:
            step /= 2  # Newton's method overshoots far from the optimum
            if np.abs(step).max() < SMALLEST_STEP:
                return found
        found = found - step
        loss, gradient, hessian = closer
    return found


def _cross_entropy(
    x: Values, wanted: Values, counts: Values, found: Values
) -> tuple[float, Values, Values]:
    """The loss of the coefficients `found`, its gradient and Hessian, of some rows at a time."""
    loss, gradient, hessian = 0.0, np.zeros(len(found)), np.zeros((len(found),) * 2)
    for first in range(0, len(x), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        part, goal, count = x[rows], wanted[rows], counts[rows]
        logits = part @ found
        p = sigmoid(logits)
        softplus = np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))
        loss += float(count @ (softplus - goal * logits))
        gradient += part.T @ (count * (p - goal))
        hessian += (part * (count * p * (1 - p))[:, None]).T @ part
    return loss, gradient, hessian
