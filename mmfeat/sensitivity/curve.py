"""The estimate with ever more distant neighbours in one fold, and whether it falls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from mmfeat.decide.nested import Candidate, nested
from mmfeat.decide.resampling import interval, resampled_values
from mmfeat.decide.thresholds import TuningData
from mmfeat.near.links import modalities_of
from mmfeat.near.rows import UnitRows
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.sensitivity.neighbours import Kept, ways_to_keep
from mmfeat.sensitivity.ridge import out_of_fold, principal
from mmfeat.types import FeatureRows, Float64Array, FloatArray, IntArray, Targets

OBJECTIVE, EXACT = "macro-f1", Candidate(method="exact")
N_FOLDS, REPEATS = 5, 3
FEWEST_ROWS, MOST_ROWS = 200, 5000
FEWEST_POSITIVES = 5  # of a class that counts
ERRORS = 2.2  # standard errors by which the squared error must grow


@dataclass(frozen=True, kw_only=True)
class Point:
    """The estimate when neighbours stay together.

    Attributes
    ----------
    cosine
        From which they do; None: neighbours are divided at random.
    linked
        The share of rows that are kept with a neighbour.
    value
        Macro-F1 out of fold, with thresholds chosen on the other folds.
    error
        The mean squared error of the probabilities.
    """

    cosine: float | None
    linked: float
    value: float
    error: float


@dataclass(frozen=True, kw_only=True)
class Curve:
    """How an estimate depends on near neighbours.

    Attributes
    ----------
    points
        From random folds to ever more distant neighbours in one fold.
    interval
        95 % interval of the value with random folds.
    standard_error
        Of the squared error with random folds.
    n_rows, n_used
        The rows of the table, and those that were looked at.
    """

    points: tuple[Point, ...]
    interval: tuple[float, float]
    standard_error: float
    n_rows: int
    n_used: int

    @property
    def fallen(self) -> Point | None:
        """The last point at which value and squared error are worse than chance explains."""
        first = self.points[0]
        half = (self.interval[1] - self.interval[0]) / 2
        found = None
        for point in self.points[1:]:
            worse = point.error - first.error > ERRORS * self.standard_error
            if worse and first.value - point.value > half:
                found = point
        return found

    @property
    def verdict(self) -> str:
        """The curve in a sentence."""
        part = "" if self.n_used == self.n_rows else f" (on {self.n_used} of {self.n_rows} rows)"
        first, fallen = self.points[0], self.fallen
        if fallen is None:
            return f"estimates do not depend on near neighbours by more than chance{part}"
        return (
            f"estimates depend on near neighbours: macro-F1 of ridge regression is"
            f" {first.value:.2f} with random folds, {fallen.value:.2f} when neighbours above a"
            f" cosine of {fallen.cosine:.2f} stay together{part}; if rows belong together (same"
            " product, patient, film), name the column with `mmfeat extract --group-col` or `mmfeat"
            " import --group-col`"
        )

    def to_json(self) -> dict[str, Any]:
        """Give the fields as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        points = tuple(Point(**point) for point in document["points"])
        low, high = document["interval"]
        return cls(**{**document, "points": points, "interval": (low, high)})


def sensitivity_of(features: FeatureRows, targets: Targets) -> Curve | None:
    """Measure how macro-F1 of ridge regression depends on near neighbours.

    `targets` are (n, k): 0, 1 or unknown. Of many rows 5,000 random ones are looked at. None for
    fewer than 200 rows, and where no class has positives enough.
    """
    n_rows = features.n_rows
    rows = np.sort(np.random.default_rng(0).permutation(n_rows)[:MOST_ROWS])
    groups = None if features.groups is None else features.groups[rows]
    counted = (targets[rows] == 1).sum(axis=0) >= FEWEST_POSITIVES
    if len(rows) < FEWEST_ROWS or not counted.any():
        return None
    judge = _Judge(vectors_of(features, rows), targets[rows][:, counted])
    points, of_first = [], None
    for kept in ways_to_keep(judge.vectors, groups):
        judged = judge.judge(kept)
        of_first = of_first or judged
        points.append(judged.point)
    assert of_first is not None, "the first way keeps what is related anyway"
    return Curve(
        points=tuple(points),
        interval=of_first.interval,
        standard_error=of_first.standard_error,
        n_rows=n_rows,
        n_used=len(rows),
    )


def vectors_of(features: FeatureRows, rows: IntArray) -> FloatArray:
    """The vectors (m, d) of rows, all modalities side by side, of length 1; 0 where one failed."""
    parts = [
        np.nan_to_num(
            UnitRows(features=features, modality=name, kept=rows).take(np.arange(len(rows)))
        )
        for name in modalities_of(features)
    ]
    joined = np.concatenate(parts, axis=1)
    length = np.linalg.norm(joined, axis=1, keepdims=True)
    vectors: FloatArray = joined / np.maximum(length, np.float32(1e-12))
    return vectors


@dataclass(frozen=True)
class _Judged:
    """A point, with its data and label sets per repetition."""

    point: Point
    data: TuningData
    folds: dict[int, IntArray]
    sets: dict[int, Targets]
    errors: Float64Array  # (n,) per row, mean over the repetitions
    groups: IntArray | None

    @property
    def interval(self) -> tuple[float, float]:
        values = resampled_values(OBJECTIVE, self.data, self.folds, {"": self.sets})
        return interval(values[""], self.point.value)

    @property
    def standard_error(self) -> float:
        """Of the mean of the errors: groups are drawn, not rows."""
        differences = self.errors - self.errors.mean()
        group = np.arange(len(differences)) if self.groups is None else self.groups
        _, member = np.unique(group, return_inverse=True)
        return float(np.sqrt(np.square(np.bincount(member, differences)).sum())) / len(differences)


class _Judge:
    """Ridge regression on the rows, judged with different folds."""

    def __init__(self, vectors: FloatArray, targets: Targets) -> None:
        self.vectors, self._targets = vectors, targets
        self._coordinates = principal(vectors)
        self._known = targets <= 1
        share = np.where(self._known, targets, 0).sum(axis=0) / np.maximum(
            self._known.sum(axis=0), 1
        )
        self._filled = np.where(self._known, targets, share)

    def judge(self, kept: Kept) -> _Judged:
        """Judge one way to keep neighbours together, over several divisions into folds."""
        folds, sets, values, errors = {}, {}, [], []
        for seed in range(REPEATS):
            folds[seed] = make_folds(self._targets, n_folds=N_FOLDS, seed=seed, groups=kept.groups)
            scores = out_of_fold(self._coordinates, self._filled, self._known, folds[seed])
            data = TuningData(
                probabilities=scores.astype(np.float32), targets=self._targets, groups=kept.groups
            )
            found = nested(data, folds[seed], OBJECTIVE, EXACT)
            sets[seed] = found.sets
            values.append(found.value)
            squares = np.square(scores - self._filled) * self._known
            errors.append(squares.sum(axis=1) / np.maximum(self._known.sum(axis=1), 1))
        by_row = np.mean(errors, axis=0)
        point = Point(
            cosine=kept.cosine,
            linked=kept.linked,
            value=float(np.mean(values)),
            error=float(by_row.mean()),
        )
        return _Judged(point, data, folds, sets, by_row, kept.groups)
