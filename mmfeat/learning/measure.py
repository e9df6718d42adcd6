"""From fits on samples to a learning curve: estimates, what is uncertain in them, and the law.

1. Every fit is decided as `tune-thresholds` decides, and all are judged on the same resamples of
   folds and groups, so that what varies with the judged rows varies alike at all sizes.
2. Samples of one size differ. That variance, in proportion to 1/n over all sizes, is drawn too.
3. Each draw has its power law, whose exponent is drawn towards another usual value. The spread of
   the laws is what is uncertain about more rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmfeat.config import ThresholdSettings
from mmfeat.decide.resampling import TAILS, Counts, draw_counts, interval, n_resamples_of
from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.thresholds.evaluate import values_of
from mmfeat.decide.thresholds.values import tally
from mmfeat.decide.tune import tune
from mmfeat.learning.curve import ClassCurve, Forecast, Gain, LearningCurve, Point
from mmfeat.learning.fits import Fit
from mmfeat.learning.power_law import SPREAD, USUAL, PowerLaws, fit_power_laws
from mmfeat.metrics.sets import ratio
from mmfeat.types import Float64Array, FloatArray, IntArray, OutOfFold, Targets

FEWEST_POSITIVES = 20  # of a class whose curve is followed
TIMES = (2, 4)  # the rows for which there is a forecast
LINE_POINTS = 40
MISFIT = 0.004  # by which a power law errs per doubling, looking back from the last point


def measure(
    name: str, fits: Sequence[Fit], aim: ThresholdSettings, *, n_rows: int
) -> LearningCurve:
    """Make the curve of the run `name` of fits, ordered by size, of which the last is the run.

    `n_rows` are those of its table.
    """
    oof = fits[-1].scores
    judged = _judge(oof, fits, aim)
    points = _Points.of(judged.values, judged.resampled, fits)
    step = _round_step(n_rows)
    n_last = points.sizes[-1]
    more = np.array([n_last, n_last * (1 + step / n_rows), *(n_last * t for t in TIMES)])
    rise = points.rise()
    laws = points.laws() if rise.interval[0] > 0 else None
    sizes = np.geomspace(points.sizes[0], more[-1], LINE_POINTS)
    share = n_last / n_rows
    curves = judged.classes(oof.labels, fits, more[:2])
    return LearningCurve(
        run=name,
        objective=aim.objective,
        n_rows=n_rows,
        points=points.described(),
        rise=rise,
        forecasts=() if laws is None else _forecasts(laws, more[2:], n_last, share),
        n_next=step,
        gain=None if laws is None else _gain(laws, more[:2]),
        line=() if laws is None else _forecasts(laws, sizes, n_last, share),
        classes=tuple(
            sorted(curves, key=lambda each: np.inf if each.gain is None else -each.gain.value)
        ),
    )


@dataclass(frozen=True)
class _Points:
    """Values (f,) of fits and their resamples (f, r), by size: rows trained and fits of each."""

    values: Float64Array
    resampled: Float64Array
    size_of: IntArray
    sizes: Float64Array

    @classmethod
    def of(cls, values: Float64Array, resampled: Float64Array, fits: Sequence[Fit]) -> _Points:
        size_of = np.array([fit.size for fit in fits])
        trained = np.array([fit.n_trained for fit in fits])
        return cls(values, resampled, size_of, _means(trained, size_of))

    @property
    def means(self) -> Float64Array:
        return _means(self.values, self.size_of)

    @property
    def counts(self) -> IntArray:
        return np.bincount(self.size_of)

    @property
    def errors(self) -> Float64Array:
        """The standard error of the mean at each size by what its samples differ, (p,)."""
        squares = np.square(self.values - self.means[self.size_of]) * self.sizes[self.size_of]
        # samples overlap the more the larger they are, and differ the less
        share = self.sizes / self.sizes[-1]
        free = ((self.counts - 1) * (1 - share)).sum()
        variance = squares.sum() / max(free, 1e-9)
        errors: Float64Array = np.sqrt(variance / self.sizes / self.counts)
        return errors

    def draws(self) -> Float64Array:
        """Draws of the means, (r, p)."""
        means = np.stack([_means(each, self.size_of) for each in self.resampled.T])
        noise = np.random.default_rng(0).normal(size=means.shape) * self.errors
        drawn: Float64Array = self.means + means - means.mean(axis=0) + noise
        return drawn

    def described(self) -> tuple[Point, ...]:
        by_size = np.stack([_means(each, self.size_of) for each in self.resampled.T], axis=1)
        return tuple(
            Point(
                n_trained=float(size),
                n_samples=int(count),
                value=float(value),
                interval=interval(resampled, float(value)),
            )
            for size, count, value, resampled in zip(
                self.sizes, self.counts, self.means, by_size, strict=True
            )
        )

    def rise(self) -> Gain:
        drawn = self.draws()
        return _described(drawn[:, -1] - drawn[:, 0], float(self.means[-1] - self.means[0]))

    def laws(self) -> PowerLaws:
        drawn = self.draws()
        back = MISFIT * np.log2(self.sizes[-1] / self.sizes)
        errors = np.sqrt(np.square(self.errors) + np.square(back))
        usual = USUAL + SPREAD * np.random.default_rng(1).normal(size=len(drawn))
        return fit_power_laws(self.sizes, drawn, errors, usual=usual)


@dataclass(frozen=True)
class _Judged:
    """Values (f,) and F1 (f, k) of fits, and the same on resamples: (f, r), (f, r, k)."""

    values: Float64Array
    resampled: Float64Array
    f1: FloatArray
    resampled_f1: FloatArray
    support: IntArray

    def classes(
        self, labels: Sequence[str], fits: Sequence[Fit], sizes: Float64Array
    ) -> list[ClassCurve]:
        """The curves of classes with positives enough; `sizes` are now and after the next rows."""
        found = []
        for j in np.flatnonzero(self.support >= FEWEST_POSITIVES).tolist():
            f1, resampled = self.f1[:, j], self.resampled_f1[:, :, j]
            points = _Points.of(f1.astype(np.float64), resampled.astype(np.float64), fits)
            gain = _gain(points.laws(), sizes) if points.rise().interval[0] > 0 else None
            found.append(
                ClassCurve(
                    label=labels[j],
                    support=int(self.support[j]),
                    values=tuple(points.means.tolist()),
                    interval=points.described()[-1].interval,
                    gain=gain,
                )
            )
        return found


def _judge(oof: OutOfFold, fits: Sequence[Fit], aim: ThresholdSettings) -> _Judged:
    """Decide every fit, and judge all on the same resamples."""
    data = TuningData(
        probabilities=oof.probabilities,
        targets=oof.targets,
        beta=aim.options().get("beta", 1.0),
        floor=aim.floor,
        groups=oof.groups,
    )
    sets = [_held_out(fit.scores, aim) for fit in fits]
    resampled: list[list[Float64Array]] = [[] for _ in fits]
    of_classes: list[list[FloatArray]] = [[] for _ in fits]
    number = n_resamples_of(oof.targets)
    for block in draw_counts({0: oof.folds}, groups=oof.groups, n_resamples=number):
        for _, counts in block:
            for at, each in enumerate(sets):
                resampled[at].append(values_of(aim.objective, data, each, counts))
                of_classes[at].append(_f1(data, each, counts))
    return _Judged(
        values=np.array([values_of(aim.objective, data, each)[0] for each in sets]),
        resampled=np.stack([np.concatenate(parts) for parts in resampled]),
        f1=np.concatenate([_f1(data, each) for each in sets]),
        resampled_f1=np.stack([np.concatenate(parts) for parts in of_classes]),
        support=data.support,
    )


def _held_out(scores: OutOfFold, aim: ThresholdSettings) -> Targets:
    """The label sets (n, k) of rows as the other folds decide them."""
    found = tune(scores, objective=aim.objective, beta=aim.beta, floor=aim.floor).held_out
    assert found is not None, "tune gives them"
    return found


def _f1(data: TuningData, sets: Targets, counts: Counts | None = None) -> FloatArray:
    """F1 of each class on each resample, (r, k)."""
    counted = tally(data, sets, counts)
    f1 = ratio(2 * counted.hits, counted.chosen + counted.support, 0.0)
    return f1.astype(np.float32)


def _means(values: Float64Array, size_of: IntArray) -> Float64Array:
    """The mean over the fits of each size."""
    means: Float64Array = np.bincount(size_of, values) / np.bincount(size_of)
    return means


def _described(drawn: Float64Array, value: float) -> Gain:
    low, high = np.quantile(drawn, TAILS)
    return Gain(value=value, interval=(float(low), float(high)))


def _gain(laws: PowerLaws, sizes: Float64Array) -> Gain:
    """What the second of two sizes is worth more than the first."""
    found = laws.at(sizes)
    gained = found[:, 1] - found[:, 0]
    return _described(gained, float(gained.mean()))


def _forecasts(
    laws: PowerLaws, sizes: Float64Array, now: float, share: float
) -> tuple[Forecast, ...]:
    """The law at sizes; heads learn from a `share` of the rows of the table."""
    return tuple(
        Forecast(
            n_rows=round(size / share),
            n_trained=float(size),
            value=float(values.mean()),
            interval=_described(values, 0.0).interval,
            gain=_gain(laws, np.array([now, size])),
        )
        for size, values in zip(sizes, laws.at(sizes).T, strict=True)
    )


def _round_step(n_rows: int) -> int:
    """The next rows whose worth is told: a power of ten, at most half of the table."""
    step: int = 10 ** int(np.log10(n_rows / 2))
    return step
