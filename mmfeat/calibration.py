"""Calibration: maps that make a class's probabilities mean what they say.

Of each class the map is chosen by its log-loss on folds that it was not fitted on; where none
is better than leaving the probabilities alone by more than one standard error, they are left
alone. Every map rises, so that thresholds on the raw probabilities keep their meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfeat.classes import map_classes
from mmfeat.metrics.probability import SMALLEST, cell_log_loss, class_calibration_error
from mmfeat.metrics.ranked import count_above
from mmfeat.types import FloatArray, IntArray, Targets

Scores = NDArray[np.floating]  # (n,) in [0, 1]
Values = NDArray[np.float64]

MIN_EACH = 5  # positives and negatives that a map is fitted on at least
RIDGE = 1e-6
MAX_STEPS = 50
SMALLEST_STEP = 1e-6
MANY, SOME = 2**16, 2**13  # rows from which on a fit starts from that of some of them
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
    found = map_classes(
        lambda j: _fit_class(probabilities[:, j], targets[:, j], folds), range(targets.shape[1])
    )
    maps, before, after = zip(*found, strict=True)
    return Calibration(maps=maps, before=_means(before), after=_means(after))


def _means(classes: Sequence[tuple[float, float]]) -> dict[str, float]:
    log_loss, error = np.mean(classes, axis=0).tolist()
    return {"log_loss": log_loss, "calibration_error": error}


def fit_platt(p: Scores, truth: Targets, start: Calibrator | None = None) -> Calibrator | None:
    """Logistic regression on the logit (Platt 1999); None where it would not rise."""
    weights = logistic(_logit(p), truth, _parameters(start))
    return Calibrator("platt", tuple(weights.tolist())) if weights[0] > 0 else None


def fit_beta(p: Scores, truth: Targets, start: Calibrator | None = None) -> Calibrator | None:
    """Logistic regression on ln p and −ln(1−p) (Kull et al. 2017); None where it falls."""
    weights = logistic(_beta_features(p), truth, _parameters(start))
    rises = (weights[:2] >= 0).all() and weights[:2].any()
    return Calibrator("beta", tuple(weights.tolist())) if rises else None


def _parameters(start: Calibrator | None) -> Values | None:
    return None if start is None else np.array(start.parameters)


def fit_isotonic(p: Scores, truth: Targets, start: Calibrator | None = None) -> Calibrator:
    """The rising step function of least squared error, interpolated between its steps.

    Its values keep away from 0 and 1 by 1 / (n + 2), which no number of rows can rule out.
    """
    from scipy.optimize import isotonic_regression  # noqa: PLC0415

    distinct, above, hits = count_above(p, truth)
    scores = distinct[::-1]
    weights = np.diff(above, prepend=0)[::-1].astype(np.float64)
    rates = np.diff(hits, prepend=0)[::-1] / weights
    values = isotonic_regression(rates, weights=weights).x
    inner = np.append(True, (values[1:-1] != values[:-2]) | (values[1:-1] != values[2:]))
    kept = np.append(inner, True)[: len(values)]
    margin = 1 / (len(p) + 2)
    steps = np.clip(values[kept], margin, 1 - margin)
    return Calibrator("isotonic", (*scores[kept].tolist(), *steps.tolist()))


Fit = Callable[[Scores, Targets, Calibrator | None], Calibrator | None]
FITS: dict[str, Fit] = {
    "platt": fit_platt,
    "beta": fit_beta,
    "isotonic": fit_isotonic,
}


def _fit_class(
    p: Scores, truth: Targets, folds: IntArray
) -> tuple[Calibrator, tuple[float, float], tuple[float, float]]:
    """The map of one class, and log-loss and calibration error before and after it."""
    p, truth = np.ascontiguousarray(p), np.ascontiguousarray(truth)
    best, base = Calibrator(), cell_log_loss(p, truth)
    log_loss = float(base.mean())
    before = after = (log_loss, class_calibration_error(p[:, None], truth[:, None])[0])
    for fit in FITS.values():
        start = _fit_all(fit, p, truth) if len(p) > MANY else None
        values = _held_out(fit, p, truth, folds, start)
        if values is None:
            continue
        found = cell_log_loss(values, truth)
        gain = base - found
        pays = gain.mean() > gain.std() / np.sqrt(len(p))
        if pays and found.mean() < log_loss:
            fitted = start or fit(p, truth, None)
            if fitted is not None:
                best, log_loss = fitted, float(found.mean())
                after = (log_loss, class_calibration_error(values[:, None], truth[:, None])[0])
    return best, before, after


def _fit_all(fit: Fit, p: Scores, truth: Targets) -> Calibrator | None:
    """Fit many rows from what some of them say, whence the optimum is two or three steps away."""
    some = slice(None, None, len(p) // SOME)
    return fit(p, truth, fit(p[some], truth[some], None))


def _held_out(
    fit: Fit, p: Scores, truth: Targets, folds: IntArray, start: Calibrator | None
) -> Values | None:
    """Map each fold by what was fitted on the others; None where a fit is not possible."""
    values = np.empty(len(p))
    for fold in np.unique(folds):
        inside = folds == fold
        positives, rows = int(truth[~inside].sum()), int((~inside).sum())
        if min(positives, rows - positives) < MIN_EACH:
            return None
        fitted = fit(p[~inside], truth[~inside], start)
        if fitted is None:
            return None
        values[inside] = fitted(p[inside])
    return values


def _logit(p: Scores) -> Values:
    clipped = np.clip(p.astype(np.float64), SMALLEST, 1 - SMALLEST)
    return (np.log(clipped) - np.log1p(-clipped))[:, None]


def _beta_features(p: Scores) -> Values:
    clipped = np.clip(p.astype(np.float64), SMALLEST, 1 - SMALLEST)
    return np.column_stack([np.log(clipped), -np.log1p(-clipped)])


FEATURES: dict[str, Callable[[Scores], Values]] = {"platt": _logit, "beta": _beta_features}


def sigmoid(logits: Values) -> Values:
    """1 / (1 + exp(−logits)), for any logits."""
    return 0.5 * (1 + np.tanh(logits / 2))


def logistic(features: Values, truth: Targets, start: Values | None = None) -> Values:
    """Weights and offset, (d + 1,), of `features` (n, d) for `truth` (n,) of 0 and 1.

    By Newton's method from `start` on, towards Platt's targets, which are never 0 or 1.
    """
    positives = truth.sum(dtype=np.int64)
    high, low = (positives + 1) / (positives + 2), 1 / (len(truth) - positives + 2)
    wanted = np.where(truth, high, low)
    x = np.column_stack([features, np.ones(len(features))])
    identity = np.append(np.ones(features.shape[1]), 0.0)
    weights = identity if start is None else start
    loss, gradient, hessian = _cross_entropy(x, wanted, weights)
    for _ in range(MAX_STEPS):
        step = np.linalg.solve(hessian + RIDGE * np.eye(x.shape[1]), gradient)
        if np.abs(step).max() < SMALLEST_STEP:
            return weights - step
        while (closer := _cross_entropy(x, wanted, weights - step))[0] > loss:
            step /= 2  # Newton's method overshoots far from the optimum
            if np.abs(step).max() < SMALLEST_STEP:
                return weights
        weights = weights - step
        loss, gradient, hessian = closer
    return weights


def _cross_entropy(x: Values, wanted: Values, weights: Values) -> tuple[float, Values, Values]:
    """The loss of `weights`, its gradient and Hessian, of some rows at a time."""
    loss, gradient, hessian = 0.0, np.zeros(len(weights)), np.zeros((len(weights),) * 2)
    for first in range(0, len(x), ROWS_AT_ONCE):
        part, goal = x[first : first + ROWS_AT_ONCE], wanted[first : first + ROWS_AT_ONCE]
        logits = part @ weights
        p = sigmoid(logits)
        softplus = np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))
        loss += float((softplus - goal * logits).sum())
        gradient += part.T @ (p - goal)
        hessian += (part * (p * (1 - p))[:, None]).T @ part
    return loss, gradient, hessian
