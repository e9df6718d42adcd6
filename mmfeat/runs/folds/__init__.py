"""How rows are held out: in which fold, and what the model that judges them learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Literal

import numpy as np

from mmfeat.types import BoolArray, IntArray

Kind = Literal["crossed", "forward", "fixed"]


@dataclass(frozen=True)
class Fold:
    """One fold: its number, the rows its model learns from, and the rows that judge it."""

    number: int
    train: IntArray
    judged: IntArray


@dataclass(frozen=True)
class Folds:
    """A way to hold rows out.

    Attributes
    ----------
    held_out
        Of shape (n,): the fold in which a row is held out, in [0, K); -1 where it never is.
    kind
        What heads learn from. ``crossed``: the rows of all other folds; ``forward``: those of
        earlier folds; ``fixed``: those that are never held out, so that one head judges all folds.
    learned
        Of shape (n,): the rows that may be learned from, as far as folds allow; None: all. All
        rows that are held out are judged.
    """

    held_out: IntArray
    kind: Kind = "crossed"
    learned: BoolArray | None = None

    @property
    def judged(self) -> BoolArray:
        """The rows that are held out once, (n,)."""
        judged: BoolArray = self.held_out >= 0
        return judged

    @property
    def of_judged(self) -> IntArray:
        """The fold of each row that is held out, (m,) in [0, K)."""
        return self.held_out[self.judged]

    def ids_of_judged(self, ids: Sequence[str]) -> Sequence[str]:
        """The ids of the rows that are held out, given those of all rows."""
        judged = self.judged
        return ids if judged.all() else tuple(compress(ids, judged))

    def for_heads(self) -> list[Fold]:
        """What the heads of features learn from and judge, in order."""
        if self.kind == "fixed":
            return [Fold(0, self._learned(~self.judged), np.flatnonzero(self.judged))]
        return [Fold(n, self._before(n), self._rows(n)) for n in self._numbers]

    def for_stackers(self) -> list[Fold]:
        """What models of out-of-fold scores learn from: the scores of all other folds."""
        judged = self.judged
        return [
            Fold(n, self._learned(judged & (self.held_out != n)), self._rows(n))
            for n in self._numbers
        ]

    @property
    def _numbers(self) -> list[int]:
        numbers: list[int] = np.unique(self.of_judged).tolist()
        return numbers

    def _rows(self, number: int) -> IntArray:
        return np.flatnonzero(self.held_out == number)

    def _before(self, number: int) -> IntArray:
        if self.kind == "forward":
            return self._learned(self.held_out < number)
        return self._learned(self.held_out != number)

    def _learned(self, rows: BoolArray) -> IntArray:
        return np.flatnonzero(rows if self.learned is None else rows & self.learned)
