"""Choosing the calibration map of one class by its log-loss on held-out folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmfeat.core.numeric import logit
from mmfeat.decide.calibration.binned_logits import WIDTH, BinnedLogits
from mmfeat.decide.calibration.calibrator import Calibrator
from mmfeat.decide.calibration.isotonic import Steps
from mmfeat.decide.calibration.kinds import FITS, SMOOTH
from mmfeat.metrics.probability import SMALLEST, cell_log_loss, class_calibration_error
from mmfeat.metrics.ranked import rising_order
from mmfeat.types import Float64Array, IntArray, RealArray, Targets

MIN_EACH = 5  # positives, and negatives, needed to fit a map

Reliability = tuple[float, float]  # log-loss and calibration error


class ClassMaps:
    """Maps of one class, each fitted on a subset of the folds and cached.

    With more than `many` rows, smooth maps are fitted and judged on logits in bins of `width`.
    `kinds` are those to try. A smooth map without a fold is fitted from that of all folds, in fewer
    steps. The rows of a fold are sorted by score, which makes isotonic steps cheap to interpolate.
    """

    def __init__(
        self,
        p: RealArray,
        truth: Targets,
        folds: list[IntArray],
        *,
        many: int,
        width: float = WIDTH,
        kinds: Sequence[str] = tuple(FITS),
    ) -> None:
        self.kinds = kinds
        self.folds = tuple(range(len(folds)))
        order = [rows[rising_order(p[rows])] for rows in folds]
        self.p, self.truth = [p[rows] for rows in order], [truth[rows] for rows in order]
        self.rows = [_FoldRows.of(*each) for each in zip(self.p, self.truth, strict=True)]
        self.binned, self.smooth_rows = None, self.rows
        if len(p) > many:
            logits = (logit(p, smallest=SMALLEST) for p in self.p)
            pairs = zip(logits, self.truth, strict=True)
            self.binned = BinnedLogits.of(pairs, width=width)
            self.smooth_rows = [_FoldRows.of(*self.binned.rows((fold,))) for fold in self.folds]
        self.counts = np.array([np.bincount(each, minlength=2) for each in self.truth])
        self.fits: dict[tuple[str, tuple[int, ...]], Calibrator | None] = {}

    @cached_property
    def steps(self) -> Steps:
        """What isotonic maps are fitted on."""
        return Steps.of(zip(self.p, self.truth, strict=True))

    def fit(self, kind: str, folds: tuple[int, ...]) -> Calibrator | None:
        """The map fitted on `folds`; None if it would not rise."""
        if (kind, folds) not in self.fits:
            found: Calibrator | None
            if kind == "isotonic":
                found = Calibrator(kind, self.steps.fit(folds))
            else:
                whole = self.fit(kind, self.folds) if folds != self.folds else None
                found = SMOOTH[kind](*self._rows_of(folds), whole.parameters if whole else ())
            self.fits[kind, folds] = found
        return self.fits[kind, folds]

    def _rows_of(self, folds: tuple[int, ...]) -> tuple[RealArray, Targets, Float64Array | None]:
        """Scores, truth and weights of these folds, for smooth maps."""
        if self.binned:
            return self.binned.rows(folds)
        p, truth = ([each[fold] for fold in folds] for each in (self.p, self.truth))
        return np.concatenate(p), np.concatenate(truth), None

    def best(self, folds: tuple[int, ...]) -> tuple[Calibrator, tuple[Calibrator, ...]]:
        """The map of the kind that is best for `folds`, and the held-out map of each fold.

        A held-out map is fitted on the other folds of `folds`. A kind is better than no map if
        its gain in log-loss exceeds one standard error.
        """
        best, held_out, most = Calibrator(), (Calibrator(),) * len(folds), 0.0
        for kind in self.kinds:
            maps = self._held_out(kind, folds)
            if maps is None:
                continue
            parts = self.smooth_rows if kind in SMOOTH else self.rows
            gains = [parts[fold].gain(f) for fold, f in zip(folds, maps, strict=True)]
            rows, gain, squares = np.sum(gains, axis=0).tolist()
            gain /= rows
            pays = gain > np.sqrt(max(squares / rows - gain**2, 0) / rows)
            if pays and gain > most and (fitted := self.fit(kind, folds)) is not None:
                best, held_out, most = fitted, maps, gain
        return best, held_out

    def reliability(self, maps: tuple[Calibrator, ...]) -> Reliability:
        """Log-loss and calibration error with one of `maps` for each fold."""
        values = np.concatenate([f(p) for f, p in zip(maps, self.p, strict=True)])
        truth = np.concatenate(self.truth)
        error = class_calibration_error(values[:, None], truth[:, None])[0]
        return float(cell_log_loss(values, truth).mean()), float(error)

    def _held_out(self, kind: str, folds: tuple[int, ...]) -> tuple[Calibrator, ...] | None:
        """For each fold the map fitted on the others; None if one of them cannot be fitted."""
        maps = []
        for fold in folds:
            others = other_folds(folds, fold)
            if self.counts[list(others)].sum(axis=0).min() < MIN_EACH:
                return None
            fitted = self.fit(kind, others)
            if fitted is None:
                return None
            maps.append(fitted)
        return tuple(maps)


@dataclass(frozen=True)
class _FoldRows:
    """Rows of one fold on which maps are judged: scores, truth, weights, uncalibrated log-loss."""

    p: RealArray
    truth: Targets
    weights: Float64Array
    loss: Float64Array

    @classmethod
    def of(cls, p: RealArray, truth: Targets, weights: Float64Array | None = None) -> _FoldRows:
        counts = np.ones(len(p)) if weights is None else weights
        return cls(p, truth, counts, cell_log_loss(p, truth))

    def gain(self, f: Calibrator) -> Float64Array:
        """Sums over the rows: their weights, the decrease of log-loss by `f`, and its square."""
        gain = self.loss - cell_log_loss(f(self.p), self.truth)
        weighted = self.weights * gain
        return np.array([self.weights.sum(), weighted.sum(), (weighted * gain).sum()])


def other_folds(folds: tuple[int, ...], fold: int) -> tuple[int, ...]:
    """The folds without `fold`."""
    return tuple(other for other in folds if other != fold)
