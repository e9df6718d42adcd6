"""The input of every method that chooses thresholds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mmfeat.config import ThresholdSettings
from mmfeat.decide.thresholds.cuts import Cuts, Thresholds, list_corners, list_cuts
from mmfeat.metrics.known import known_cells, positives
from mmfeat.types import BoolArray, FloatArray, IntArray, Targets

Cell = TypeVar("Cell", bound=np.generic)

MIN_POSITIVES = 10  # a class with fewer shares its threshold
BLOCK = 2**8, 2**6  # rows and columns that are turned at a time, in the cache


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Cells (rows × classes) up to which a step uses the whole table.

    Attributes
    ----------
    sampled_cells
        Larger tables are tuned for samples-F1 on a random sample of their rows.
    refitted_cells
        Larger tables have no spread of thresholds that depend on one another.
    many_cells, many_classes
        Tables that are larger than both leave out what takes time for every class, see
        `TuningData.has_many_classes`.
    """

    sampled_cells: int = 2**23
    refitted_cells: int = 2**25
    many_cells: int = 2**22
    many_classes: int = 2**8


LIMITS = Limits()


@dataclass(frozen=True, kw_only=True)
class TuningData:
    """Scores and targets of the tuning rows, and the options of the objective.

    Attributes
    ----------
    probabilities, targets
        Of shape (n, k): in [0, 1], and 0, 1 or unknown.
    beta
        Of F-beta: above 1 recall counts more, below 1 precision.
    floor
        The precision or recall to reach, in (0, 1].
    min_positives
        Classes with fewer positives share one threshold.
    seed
        Of the resamples.
    limits
        Sizes above which a step is sampled or left out.
    groups
        Of shape (n,): rows of one group are resampled together; None: each row is a group.
    """

    probabilities: FloatArray
    targets: Targets
    beta: float = 1.0
    floor: float = ThresholdSettings.floor
    min_positives: int = MIN_POSITIVES
    seed: int = 0
    limits: Limits = LIMITS
    groups: IntArray | None = None

    @property
    def n_labels(self) -> int:
        """The number of classes."""
        return int(self.targets.shape[1])

    @property
    def has_many_classes(self) -> bool:
        """Whether the calibration is simpler, and there is no spread of coupled thresholds."""
        limits = self.limits
        return self.targets.size > limits.many_cells and self.n_labels > limits.many_classes

    @cached_property
    def support(self) -> IntArray:
        """Positives of each class, of shape (k,)."""
        support: IntArray = positives(self.targets).sum(axis=0, dtype=np.int64)
        return support

    @cached_property
    def of_known(self) -> TuningData:
        """The same with target and score 0 where the target is unknown: no cut predicts that."""
        known = known_cells(self.targets)
        if known is None:
            return self
        scores = self.probabilities * known
        return replace(self, probabilities=scores, targets=positives(self.targets))

    @cached_property
    def rare(self) -> BoolArray:
        """The classes with too few positives for a threshold of their own, of shape (k,)."""
        return self.support < self.min_positives

    @cached_property
    def resampled(self) -> dict[int, Thresholds]:
        """The best thresholds of the resamples of a class, as far as they were drawn."""
        return {}

    @cached_property
    def by_class(self) -> tuple[FloatArray, Targets]:
        """`probabilities` and `targets` of shape (k, n); copies if a row has many classes.

        To read a column of a wide table takes a jump in memory for every row.
        """
        if self.has_many_classes:
            return _turned(self.probabilities), _turned(self.targets)
        return self.probabilities.T, self.targets.T

    def of_class(self, j: int) -> tuple[FloatArray, Targets]:
        """The probabilities and targets of one class, both of shape (n,)."""
        return self.by_class[0][j], self.by_class[1][j]

    def cuts(self, j: int) -> Cuts:
        """The cuts of one class; they are not kept, as they take more memory than the scores."""
        return list_cuts(*self.of_class(j))

    def corners(self, j: int) -> Cuts:
        """The cuts of one class that can be best, see `list_corners`."""
        return list_corners(*self.of_class(j))

    def rows(self, chosen: BoolArray | IntArray) -> TuningData:
        """The data of some rows, given by a mask of shape (n,) or by indices."""
        listed = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen.astype(np.int64)
        return replace(
            self,
            probabilities=self.probabilities.take(listed, axis=0),
            targets=self.targets.take(listed, axis=0),
            groups=None if self.groups is None else self.groups.take(listed),
        )

    def classes(self, chosen: BoolArray) -> TuningData:
        """The data of some classes, given by a mask of shape (k,); of all classes: the same."""
        if chosen.all():
            return self
        return replace(
            self, probabilities=self.probabilities[:, chosen], targets=self.targets[:, chosen]
        )

    def predict(self, thresholds: Thresholds) -> Targets:
        """The labels at or above their thresholds, of shape (n, k)."""
        return (self.probabilities >= thresholds).view(np.uint8)


def _turned(table: NDArray[Cell]) -> NDArray[Cell]:
    """Same as `np.ascontiguousarray(table.T)`, several times faster."""
    turned = np.empty(table.shape[::-1], dtype=table.dtype)
    for row in range(0, table.shape[0], BLOCK[0]):
        rows = slice(row, row + BLOCK[0])
        for column in range(0, table.shape[1], BLOCK[1]):
            columns = slice(column, column + BLOCK[1])
            turned[columns, rows] = table[rows, columns].T
    return turned
