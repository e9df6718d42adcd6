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

from mmfeat.core.numeric import logit, sigmoid
from mmfeat.core.parallel import thread_map
from mmfeat.decide.calibration.binned_logits import BinnedLogits
from mmfeat.decide.calibration.isotonic import Steps
from mmfeat.metrics.probability import SMALLEST, cell_log_loss, class_calibration_error
from mmfeat.metrics.ranked import rising_order
from mmfeat.types import Float64Array, FloatArray, IntArray, Targets

Scores = NDArray[np.floating]  # (n,) in [0, 1]
Reliability = tuple[float, float]  # log-loss and calibration error

MIN_EACH = 5  # positives and negatives that a map is fitted on at least
RIDGE = 1e-6
MAX_STEPS = 50
SMALLEST_STEP = 1e-6
MANY = 2**16  # rows from which on smooth maps are fitted to condensed ones
PRODUCT_ROWS = 2**11  # of a matrix product: too few for BLAS to start threads


@dataclass(frozen=True)
class Calibrator:
    """A rising map of one class's probabilities: `identity`, `platt`, `beta` or `isotonic`.

    `parameters` are of `platt` slope and offset of the logit; of `beta` the weights of ln p and
    −ln(1−p) and the offset; of `isotonic` m scores followed by their m values, interpolated.
    """

    kind: str = "identity"
    parameters: tuple[float, ...] = ()

    def __call__(self, probabilities: NDArray[np.floating]) -> Float64Array:
        """Map `probabilities` of shape (n,) in [0, 1] to probabilities of shape (n,)."""
        p = probabilities.astype(np.float64)
        if self.kind == "identity":
            return p
        if self.kind == "isotonic":
            scores, values = np.split(np.array(self.parameters), 2)
            mapped: Float64Array = np.interp(p, scores, values)
            return mapped
        weights = np.array(self.parameters)
        # not by BLAS, whose threads would stand in the way of the other classes'
        logits = np.einsum("ij,j->i", FEATURES[self.kind](p), weights[:-1]) + weights[-1]
        return sigmoid(logits)

    def to_json(self) -> dict[str, Any]:
        """As it stands in thresholds.json."""
        return {"kind": self.kind, "parameters": list(self.parameters)}


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The maps of all classes, and what mapping the tuning rows, each out of fold, changes.

    `before` and `after` hold log-loss and calibration error, means over the classes. `without`
    has for each fold, where it was asked for, the maps that the other folds alone give.
    """

    maps: tuple[Calibrator, ...]
    before: dict[str, float]
    after: dict[str, float]
    without: tuple[tuple[Calibrator, ...], ...] = ()


def calibrate(
    maps: tuple[Calibrator, ...], probabilities: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Apply one map per class to `probabilities` of shape (n, k)."""
    return np.column_stack([f(p) for f, p in zip(maps, probabilities.T, strict=True)])


def fit_calibration(
    probabilities: FloatArray,
    targets: Targets,
    folds: IntArray,
    *,
    nested: bool = False,
    many: int = MANY,
) -> Calibration:
    """Choose and fit a map for each class; if `nested`, without each fold as well.

    `probabilities` and `targets` are (n, k), `folds` (n,). Of `many` rows logits are binned.
    """
    rows = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]

    def fit_class(j: int) -> tuple[Calibrator, list[Calibrator], Reliability, Reliability]:
        fitting = _Fitting(probabilities[:, j], targets[:, j], rows, many=many)
        best, held_out = fitting.best(fitting.folds)
        without = [fitting.best(_other(fitting.folds, fold))[0] for fold in fitting.folds * nested]
        before = fitting.reliability((Calibrator(),) * len(rows))
        after = fitting.reliability(held_out) if best.kind != "identity" else before
        return best, without, before, after

    maps, without, before, after = zip(*thread_map(fit_class, range(targets.shape[1])), strict=True)
    return Calibration(
        maps=maps,
        before=_means(before),
        after=_means(after),
        without=tuple(zip(*without, strict=True)),
    )


def _means(classes: Sequence[Reliability]) -> dict[str, float]:
    log_loss, error = np.mean(classes, axis=0).tolist()
    return {"log_loss": log_loss, "calibration_error": error}


def fit_platt(p: Scores, truth: Targets, weights: Float64Array | None = None) -> Calibrator | None:
    """Logistic regression on the logit (Platt 1999); None where it would not rise."""
    found = logistic(logit(p, smallest=SMALLEST)[:, None], truth, weights)
    return Calibrator("platt", tuple(found.tolist())) if found[0] > 0 else None


def fit_beta(p: Scores, truth: Targets, weights: Float64Array | None = None) -> Calibrator | None:
    """Logistic regression on ln p and −ln(1−p) (Kull et al. 2017); None where it falls."""
    found = logistic(_beta_features(p), truth, weights)
    rises = (found[:2] >= 0).all() and found[:2].any()
    return Calibrator("beta", tuple(found.tolist())) if rises else None


def fit_isotonic(p: Scores, truth: Targets) -> Calibrator:
    """The rising step function of least squared error, interpolated between its steps."""
    order = rising_order(p)
    return Calibrator("isotonic", Steps.of([(p[order], truth[order])]).fit([0]))


FITS: dict[str, Callable[[Scores, Targets], Calibrator | None]] = {
    "platt": fit_platt,
    "beta": fit_beta,
    "isotonic": fit_isotonic,
}
SMOOTH = {"platt": fit_platt, "beta": fit_beta}  # these take weights, and so condensed rows


class _Fitting:
    """Maps of one class, each fitted on some of the folds and kept for whoever asks again.

    Of many rows smooth maps are fitted to condensed ones and judged on them. The rows of a fold
    stand by their scores, so that isotonic steps are cheap to interpolate.
    """

    def __init__(self, p: Scores, truth: Targets, folds: list[IntArray], *, many: int) -> None:
        self.folds = tuple(range(len(folds)))
        order = [rows[rising_order(p[rows])] for rows in folds]
        self.p, self.truth = [p[rows] for rows in order], [truth[rows] for rows in order]
        self.rows = [_Part.of(*each) for each in zip(self.p, self.truth, strict=True)]
        self.condensed, self.few = None, self.rows
        if len(p) > many:
            logits = (logit(p, smallest=SMALLEST) for p in self.p)
            self.condensed = BinnedLogits.of(zip(logits, self.truth, strict=True))
            self.few = [_Part.of(*self.condensed.rows((fold,))) for fold in self.folds]
        self.counts = np.array([np.bincount(each, minlength=2) for each in self.truth])
        self.steps = Steps.of(zip(self.p, self.truth, strict=True))
        self.fits: dict[tuple[str, tuple[int, ...]], Calibrator | None] = {}

    def fit(self, kind: str, folds: tuple[int, ...]) -> Calibrator | None:
        """The map of `folds`; None where it would not rise."""
        if (kind, folds) not in self.fits:
            if self.condensed and kind in SMOOTH:
                found = SMOOTH[kind](*self.condensed.rows(folds))
            elif kind == "isotonic":
                found = Calibrator(kind, self.steps.fit(folds))
            else:
                p, truth = ([each[fold] for fold in folds] for each in (self.p, self.truth))
                found = FITS[kind](np.concatenate(p), np.concatenate(truth))
            self.fits[kind, folds] = found
        return self.fits[kind, folds]

    def best(self, folds: tuple[int, ...]) -> tuple[Calibrator, tuple[Calibrator, ...]]:
        """The map of the kind that is best for `folds`, each mapped by what the others give.

        With it those maps, one for each fold.
        """
        best, held_out, most = Calibrator(), (Calibrator(),) * len(folds), 0.0
        for kind in FITS:
            maps = self._held_out(kind, folds)
            if maps is None:
                continue
            parts = self.few if kind in SMOOTH else self.rows
            gains = [parts[fold].gain(f) for fold, f in zip(folds, maps, strict=True)]
            rows, gain, squares = np.sum(gains, axis=0).tolist()
            gain /= rows
            pays = gain > np.sqrt(max(squares / rows - gain**2, 0) / rows)
            if pays and gain > most and (fitted := self.fit(kind, folds)) is not None:
                best, held_out, most = fitted, maps, gain
        return best, held_out

    def reliability(self, maps: tuple[Calibrator, ...]) -> Reliability:
        """Log-loss and calibration error where each fold is mapped by its own of `maps`."""
        values = np.concatenate([f(p) for f, p in zip(maps, self.p, strict=True)])
        truth = np.concatenate(self.truth)
        error = class_calibration_error(values[:, None], truth[:, None])[0]
        return float(cell_log_loss(values, truth).mean()), float(error)

    def _held_out(self, kind: str, folds: tuple[int, ...]) -> tuple[Calibrator, ...] | None:
        """The map of the others for each of `folds`; None where a fit is not possible."""
        maps = []
        for fold in folds:
            others = _other(folds, fold)
            if self.counts[list(others)].sum(axis=0).min() < MIN_EACH:
                return None
            fitted = self.fit(kind, others)
            if fitted is None:
                return None
            maps.append(fitted)
        return tuple(maps)


@dataclass(frozen=True)
class _Part:
    """Rows of one fold that maps are judged on: scores, truth, weights, and log-loss as it is."""

    p: Scores
    truth: Targets
    weights: Float64Array
    loss: Float64Array

    @classmethod
    def of(cls, p: Scores, truth: Targets, weights: Float64Array | None = None) -> _Part:
        counts = np.ones(len(p)) if weights is None else weights
        return cls(p, truth, counts, cell_log_loss(p, truth))

    def gain(self, f: Calibrator) -> Float64Array:
        """Rows, what `f` takes from their log-loss, and the sum of the squares of that."""
        gain = self.loss - cell_log_loss(f(self.p), self.truth)
        weighted = self.weights * gain
        return np.array([self.weights.sum(), weighted.sum(), (weighted * gain).sum()])


def _other(folds: tuple[int, ...], fold: int) -> tuple[int, ...]:
    return tuple(other for other in folds if other != fold)


def _beta_features(p: Scores) -> Float64Array:
    clipped = np.clip(p.astype(np.float64), SMALLEST, 1 - SMALLEST)
    return np.column_stack([np.log(clipped), -np.log1p(-clipped)])


FEATURES: dict[str, Callable[[Scores], Float64Array]] = {
    "platt": lambda p: logit(p, smallest=SMALLEST)[:, None],
    "beta": _beta_features,
}


def logistic(
    features: Float64Array, truth: Targets, weights: Float64Array | None = None
) -> Float64Array:
    """Coefficients and offset, (d + 1,), of `features` (n, d) for `truth` (n,) of 0 and 1.

    By Newton's method towards Platt's targets, which are never 0 or 1. `weights` (n,) say how
    many rows each stands for; None: one.
    """
    counts = np.ones(len(truth)) if weights is None else weights
    rows, positives = float(counts.sum()), float((counts * truth).sum())
    high, low = (positives + 1) / (positives + 2), 1 / (rows - positives + 2)
    wanted = np.where(truth, high, low)
    x = np.column_stack([features, np.ones(len(features))])
    found: Float64Array = np.append(np.ones(features.shape[1]), 0.0)  # the identity
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
    x: Float64Array, wanted: Float64Array, counts: Float64Array, found: Float64Array
) -> tuple[float, Float64Array, Float64Array]:
    """The loss of the coefficients `found`, its gradient and Hessian, of some rows at a time."""
    loss, gradient, hessian = 0.0, np.zeros(len(found)), np.zeros((len(found),) * 2)
    for first in range(0, len(x), PRODUCT_ROWS):
        rows = slice(first, first + PRODUCT_ROWS)
        part, goal, count = x[rows], wanted[rows], counts[rows]
        logits = part @ found
        p = sigmoid(logits)
        softplus = np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))
        loss += float(count @ (softplus - goal * logits))
        gradient += part.T @ (count * (p - goal))
        hessian += (part * (count * p * (1 - p))[:, None]).T @ part
    return loss, gradient, hessian
