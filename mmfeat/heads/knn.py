"""Nearest neighbours by cosine: the cache model that any trained head must beat.

As in Tip-Adapter (Zhang et al., arXiv:2111.03930, eq. 4) a neighbour at cosine s weighs
exp(−sharpness (1 − s)); a class's share among the weights is its probability, drawn to the
class's rate by `prior` pseudo-neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from mmfeat.heads.base import Head
from mmfeat.heads.options import check_range
from mmfeat.heads.space import Range, Space
from mmfeat.types import FloatArray, IntArray, Matrix, Targets

ROWS_AT_ONCE = 128  # against all rows of the cache

Cache = NDArray[np.float16]


@dataclass(kw_only=True)
class KNN(Head):
    """Weighted vote of the nearest training rows.

    Options: number of `neighbours`, `sharpness` of their weights, `prior` weight of the rates.
    """

    name: ClassVar[str] = "knn"
    relative_cost: ClassVar[float] = 0.3

    neighbours: int = 50
    sharpness: float = 10.0
    prior: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("neighbours", self.neighbours, 1, 1e9)
        check_range("sharpness", self.sharpness, 0, 1e6)
        check_range("prior", self.prior, 1e-6, 1e9)

        self._cache: Cache | None = None

    def search_space(self) -> Space:
        """Few neighbours or many, all alike or the nearest most."""
        return {
            "neighbours": Range(self.neighbours, 5, 500, log=True, whole=True),
            "sharpness": Range(self.sharpness, 1.0, 100.0, log=True),
            "prior": Range(self.prior, 0.1, 10.0, log=True),
        }

    def fit_folds(
        self,
        x: Matrix,
        y: Targets,
        *,
        blocks: tuple[int, ...],
        splits: Sequence[IntArray],
        prompts: FloatArray | None = None,
    ) -> Iterator[Self]:
        """Yield one copy per split; all of them remember the same rows, once."""
        assert isinstance(x, np.ndarray), "the head does not stream"
        cache = remembered(x)
        for rows in splits:
            head = replace(self)
            head._cache = cache
            yield head._learn(x, y, rows, blocks, prompts)

    def _fit(self, x: FloatArray, y: Targets, rows: IntArray, blocks: tuple[int, ...]) -> None:
        self._cache = remembered(x) if self._cache is None else self._cache
        self._chosen, self._targets = rows, y[rows]

    def _predict(self, x: FloatArray) -> FloatArray:
        assert self._cache is not None, "it was fitted"
        rows = self._cache[self._chosen].astype(np.float32)
        targets = self._targets.astype(np.float32)
        rates = self.rates_[self.learnable_].astype(np.float32)
        n_votes = min(self.neighbours, len(rows))
        scores = np.empty((len(x), targets.shape[1]), dtype=np.float32)
        for start in range(0, len(x), ROWS_AT_ONCE):
            cosines = unit(x[start : start + ROWS_AT_ONCE]) @ rows.T
            nearest = np.argpartition(-cosines, n_votes - 1, axis=1)[:, :n_votes]
            found = np.take_along_axis(cosines, nearest, axis=1)
            weights = np.exp(self.sharpness * (found - found.max(axis=1, keepdims=True)))
            votes = np.einsum("bn,bnk->bk", weights, targets[nearest])
            total = weights.sum(axis=1, keepdims=True) + self.prior
            scores[start : start + ROWS_AT_ONCE] = (votes + self.prior * rates) / total
        return scores.clip(0, 1)

    def _save_state(self, folder: Path) -> None:
        assert self._cache is not None, "it was fitted"
        state: dict[str, NDArray[Any]] = {
            "rows": self._cache[self._chosen],
            "targets": self._targets,
        }
        save_file(state, folder / "cache.safetensors")

    def _load_state(self, folder: Path) -> None:
        state = load_file(folder / "cache.safetensors")
        self._cache, self._targets = state["rows"], state["targets"]
        self._chosen = np.arange(len(self._cache))


def remembered(x: FloatArray) -> Cache:
    """Rows of length 1 in half precision."""
    cache = np.empty(x.shape, dtype=np.float16)
    for start in range(0, len(x), ROWS_AT_ONCE):
        cache[start : start + ROWS_AT_ONCE] = unit(x[start : start + ROWS_AT_ONCE])
    return cache


def unit(x: FloatArray) -> FloatArray:
    """Rows of length 1; rows of zeros stay."""
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    out: FloatArray = x / np.maximum(lengths, 1e-30)
    return out
