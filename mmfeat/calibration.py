"""Calibration: maps that make a class's probabilities mean what they say.

Of each class the map is chosen by its log-loss on folds that it was not fitted on; where none
is better than leaving the probabilities alone by more than one standard error, they are left
alone. Every map rises, so that thresholds on the raw probabilities keep their meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfeat.metrics.probability import SMALLEST, class_calibration_error, class_log_loss
from mmfeat.types import FloatArray, IntArray, Targets

Values = NDArray[np.float64]

MIN_EACH = 5  # positives and negatives that a map is fitted on at least
RIDGE = 1e-6
MAX_STEPS = 50
SMALLEST_STEP = 1e-6


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
    """The maps of all classes, and the tuning rows' probabilities, each mapped out of fold."""

    maps: tuple[Calibrator, ...]
    out_of_fold: Values


def calibrate(
    maps: tuple[Calibrator, ...], probabilities: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Apply one map per class to `probabilities` of shape (n, k)."""
    return np.column_stack([f(p) for f, p in zip(maps, probabilities.T, strict=True)])


def fit_calibration(probabilities: FloatArray, targets: Targets, folds: IntArray) -> Calibration:
    """Choose and fit a map for each class.

    `probabilities` and `targets` of shape (n, k), `folds` of shape (n,).
    """
    chosen = [
        _fit_class(p.astype(np.float64), y, folds)
        for p, y in zip(probabilities.T, targets.T, strict=True)
    ]
    return Calibration(
        maps=tuple(calibrator for calibrator, _ in chosen),
        out_of_fold=np.column_stack([values for _, values in chosen]),
    )


def reliability(probabilities: NDArray[np.floating], targets: Targets) -> dict[str, float]:
    """Log-loss and calibration error, means over the classes."""
    return {
        "log_loss": float(class_log_loss(probabilities, targets).mean()),
        "calibration_error": float(class_calibration_error(probabilities, targets).mean()),
    }


def fit_platt(p: Values, truth: Targets) -> Calibrator | None:
    """Logistic regression on the logit (Platt 1999); None where it would not rise."""
    weights = logistic(_logit(p), truth)
    return Calibrator("platt", tuple(weights.tolist())) if weights[0] > 0 else None


def fit_beta(p: Values, truth: Targets) -> Calibrator | None:
    """Logistic regression on ln p and −ln(1−p) (Kull et al. 2017); None where it falls."""
    weights = logistic(_beta_features(p), truth)
    rises = (weights[:2] >= 0).all() and weights[:2].any()
    return Calibrator("beta", tuple(weights.tolist())) if rises else None


def fit_isotonic(p: Values, truth: Targets) -> Calibrator | None:
    """The rising step function of least squared error, interpolated between its steps.

    Its values keep away from 0 and 1 by 1 / (n + 2), which no number of rows can rule out.
    """
    from scipy.optimize import isotonic_regression  # noqa: PLC0415

    scores, where = np.unique(p, return_inverse=True)
    weights = np.bincount(where).astype(np.float64)
    rates = np.bincount(where, weights=truth) / weights
    values = isotonic_regression(rates, weights=weights).x
    inner = np.append(True, (values[1:-1] != values[:-2]) | (values[1:-1] != values[2:]))
    kept = np.append(inner, True)[: len(values)]
    margin = 1 / (len(p) + 2)
    steps = np.clip(values[kept], margin, 1 - margin)
    return Calibrator("isotonic", (*scores[kept].tolist(), *steps.tolist()))


FITS: dict[str, Callable[[Values, Targets], Calibrator | None]] = {
    "platt": fit_platt,
    "beta": fit_beta,
    "isotonic": fit_isotonic,
}


def _fit_class(p: Values, truth: Targets, folds: IntArray) -> tuple[Calibrator, Values]:
    best, best_values, base = Calibrator(), p, _losses(p, truth)
    losses = base
    for fit in FITS.values():
        values = _held_out(fit, p, truth, folds)
        if values is None:
            continue
        found = _losses(values, truth)
        gain = base - found
        pays = gain.mean() > gain.std() / np.sqrt(len(p))
        if pays and found.mean() < losses.mean():
            fitted = fit(p, truth)
            if fitted is not None:
                best, best_values, losses = fitted, values, found
    return best, best_values


def _held_out(
    fit: Callable[[Values, Targets], Calibrator | None], p: Values, truth: Targets, folds: IntArray
) -> Values | None:
    """Map each fold by what was fitted on the others; None where a fit is not possible."""
    values = np.empty_like(p)
    for fold in np.unique(folds):
        inside = folds == fold
        positives, rows = int(truth[~inside].sum()), int((~inside).sum())
        if min(positives, rows - positives) < MIN_EACH:
            return None
        fitted = fit(p[~inside], truth[~inside])
        if fitted is None:
            return None
        values[inside] = fitted(p[inside])
    return values


def _losses(p: Values, truth: Targets) -> Values:
    clipped = np.clip(p, SMALLEST, 1 - SMALLEST)
    return -np.where(truth, np.log(clipped), np.log1p(-clipped))


def _logit(p: Values) -> Values:
    clipped = np.clip(p, SMALLEST, 1 - SMALLEST)
    return (np.log(clipped) - np.log1p(-clipped))[:, None]


def _beta_features(p: Values) -> Values:
    clipped = np.clip(p, SMALLEST, 1 - SMALLEST)
    return np.column_stack([np.log(clipped), -np.log1p(-clipped)])


FEATURES: dict[str, Callable[[Values], Values]] = {"platt": _logit, "beta": _beta_features}


def sigmoid(logits: Values) -> Values:
    """1 / (1 + exp(−logits)), for any logits."""
    return 0.5 * (1 + np.tanh(logits / 2))


def logistic(features: Values, truth: Targets) -> Values:
    """Weights and offset, (d + 1,), of `features` (n, d) for `truth` (n,) of 0 and 1.

    By Newton's method, towards Platt's targets, which are never 0 or 1.
    """
    positives = truth.sum()
    high, low = (positives + 1) / (positives + 2), 1 / (len(truth) - positives + 2)
    wanted = np.where(truth, high, low)
    x = np.column_stack([features, np.ones(len(features))])
    weights = np.append(np.ones(features.shape[1]), 0.0)  # the identity, for either map
    loss = _cross_entropy(x @ weights, wanted)
    for _ in range(MAX_STEPS):
        p = sigmoid(x @ weights)
        gradient = x.T @ (p - wanted)
        hessian = (x * (p * (1 - p))[:, None]).T @ x + RIDGE * np.eye(x.shape[1])
        step = np.linalg.solve(hessian, gradient)
        while (closer := _cross_entropy(x @ (weights - step), wanted)) > loss:
            step /= 2  # Newton's method overshoots far from the optimum
            if np.abs(step).max() < SMALLEST_STEP:
                return weights
        weights, loss = weights - step, closer
        if np.abs(step).max() < SMALLEST_STEP:
            break
    return weights


def _cross_entropy(logits: Values, wanted: Values) -> float:
    return float((np.logaddexp(0, logits) - wanted * logits).sum())
