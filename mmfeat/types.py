"""What travels between the modules: frozen dataclasses, shapes stated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]  # probabilities, logits, fused features
Float64Array = NDArray[np.float64]  # metrics, thresholds, sums
RealArray = NDArray[np.floating]  # of any precision
Embeddings = NDArray[np.floating]  # float16 or float32, as stored
Targets = NDArray[np.uint8]  # 0, 1 or `UNKNOWN`; label sets 0 or 1
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

UNKNOWN = 255  # a target of which nobody knows whether it is 0 or 1


class FeatureRows(Protocol):
    """`Features` in memory, or embeddings left in their files, which `part` alone reads."""

    @property
    def ids(self) -> Sequence[str]: ...

    @property
    def targets(self) -> Targets | None: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def prompts(self) -> tuple[FloatArray, ...]: ...

    @property
    def groups(self) -> IntArray | None: ...

    @property
    def n_rows(self) -> int: ...

    def part(self, rows: slice) -> Features:
        """Give consecutive rows, in memory."""
        ...


@dataclass(frozen=True, kw_only=True)
class Features:
    """Cached embeddings of one split.

    Attributes
    ----------
    embeddings
        Per modality, one array of shape (n, d) for each feature set that was joined, not
        normalised; a row that failed is NaN. A modality that the split lacks is absent.
    targets
        Of shape (n, k); None where the table had no labels.
    prompts
        One vector of length 1 per label, (k, d), per feature set that was joined; empty where
        one of them has no label prompts.
    groups
        Of shape (n,): related rows have the same number, and stay in one fold; None where every
        row is on its own.
    """

    ids: Sequence[str]
    embeddings: Mapping[str, tuple[Embeddings, ...]]
    targets: Targets | None
    labels: tuple[str, ...]
    prompts: tuple[FloatArray, ...] = ()
    groups: IntArray | None = None

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.ids)

    def take(self, rows: IntArray) -> Features:
        """Give the chosen rows, in that order."""
        take = getattr(self.ids, "take", None)  # of texts of a store, which make no strings
        return replace(
            self,
            ids=tuple(self.ids[row] for row in rows) if take is None else take(rows),
            embeddings={
                modality: tuple(part[rows] for part in parts)
                for modality, parts in self.embeddings.items()
            },
            targets=None if self.targets is None else self.targets[rows],
            groups=None if self.groups is None else self.groups[rows],
        )

    def with_labels(self, kept: IntArray) -> Features:
        """Give the same rows with some of their labels, (j,) by place."""
        return replace(
            self,
            targets=None if self.targets is None else self.targets[:, kept],
            labels=tuple(self.labels[at] for at in kept),
            prompts=tuple(array[kept] for array in self.prompts),
        )

    def part(self, rows: slice) -> Features:
        """Give consecutive rows, not copied."""
        return replace(
            self,
            ids=self.ids[rows],
            embeddings={
                modality: tuple(part[rows] for part in parts)
                for modality, parts in self.embeddings.items()
            },
            targets=None if self.targets is None else self.targets[rows],
            groups=None if self.groups is None else self.groups[rows],
        )


class Stream(Protocol):
    """A matrix (n, d) that is made where it is asked for: a slice of it is an array, finite."""

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        ...

    @property
    def buffer_rows(self) -> int:
        """How many of its rows may be in memory at once."""
        ...

    @property
    def in_memory(self) -> bool:
        """Whether what it is made of is at hand: then it gives any rows, by an index array, too."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice | IntArray, /) -> FloatArray: ...


Matrix = FloatArray | Stream
Values_co = TypeVar("Values_co", bound=Matrix, covariant=True)


@dataclass(frozen=True, kw_only=True)
class Fused(Generic[Values_co]):
    """One matrix for a head.

    Attributes
    ----------
    values
        Of shape (n, d), finite: a `Matrix`.
    blocks
        The width of each part from left to right; they sum to d. `concat` of 768 + 768 has
        blocks (768, 768), every other feature-level fusion of them has one block of 768.
    prompts
        Of shape (k, d): what a row of each label would look like; None where that is not known.
    groups
        Of shape (n,): related rows have the same number; None: no row is related to another.
    """

    values: Values_co
    blocks: tuple[int, ...]
    prompts: FloatArray | None = None
    groups: IntArray | None = None


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Scores of rows by a final model; nothing is known about their labels.

    Attributes
    ----------
    ids, labels
        Names of the rows and of the columns.
    probabilities
        Of shape (n, k), float32 in [0, 1].
    """

    ids: Sequence[str]
    labels: tuple[str, ...]
    probabilities: FloatArray


@dataclass(frozen=True, kw_only=True)
class OutOfFold:
    """Scores of labelled rows, each by a model that never saw the row.

    Attributes
    ----------
    ids, labels, probabilities
        As in `Predictions`.
    targets
        Of shape (n, k), 0, 1 or `UNKNOWN`.
    folds, groups
        Of shape (n,): the fold in which a row was held out, in [0, K); as in `Fused`.
    """

    ids: Sequence[str]
    labels: tuple[str, ...]
    probabilities: FloatArray
    targets: Targets
    folds: IntArray
    groups: IntArray | None = None
