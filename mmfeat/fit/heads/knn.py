"""Nearest neighbours by cosine: the cache model, a baseline for every trained head.

As in Tip-Adapter (Zhang et al., arXiv:2111.03930, eq. 4) a neighbour at cosine s weighs
exp(−sharpness (1 − s)); a class's share of the weights is its probability, shrunk towards
the class's rate by `prior` pseudo-neighbours. On a class the nearest rows vote of which it is
known.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch  # converts float16 to float32 twenty times as fast as numpy
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from mmfeat.fit.heads.base import Head
from mmfeat.fit.heads.options import option
from mmfeat.fit.heads.space import Range, Space
from mmfeat.metrics.known import known_cells, positives
from mmfeat.types import BoolArray, FloatArray, Fused, IntArray, Matrix, Targets

BLOCK_ROWS = 64  # whose votes are counted at a time
QUERY_NUMBERS = 2**25  # cosines to the whole cache that are held at a time,
QUERY_ROWS = (512, 4096)  # of this many rows, fewest and most
CACHE_BLOCK_ROWS = 1024  # of the cache, converted to float32 at a time

STRIPES = 32  # in which a row of cosines is searched for its least ones
FARTHEST = 8  # times as many rows as neighbours are sought for a class of which little is known

Cache = NDArray[np.float16]


@dataclass(kw_only=True)
class KNN(Head):
    """Weighted vote of the nearest training rows; options as declared below."""

    name: ClassVar[str] = "knn"
    relative_cost: ClassVar[float] = 0.5
    reads_parts: ClassVar[bool] = True

    neighbours: int = option(50, "number of neighbours that vote", low=1, high=1e9)
    sharpness: float = option(
        10.0, "how fast the weight of a neighbour falls with its distance", low=0, high=1e6
    )
    prior: float = option(1.0, "weight of the class frequencies, in neighbours", low=1e-6, high=1e9)

    _cache = cast("Cache | None", None)

    def search_space(self) -> Space:
        """Few neighbours or many, with equal weights or weights that favour the nearest."""
        return {
            "neighbours": Range(self.neighbours, 5, 500, log=True, whole=True),
            "sharpness": Range(self.sharpness, 1.0, 100.0, log=True),
            "prior": Range(self.prior, 0.1, 10.0, log=True),
        }

    def fit(
        self,
        X: Matrix,
        Y: Targets,
        *,
        blocks: tuple[int, ...] | None = None,
        prompts: FloatArray | None = None,
        groups: IntArray | None = None,
    ) -> Self:
        """Store the rows; see `Head.fit`."""
        self._cache = None
        return super().fit(X, Y, blocks=blocks, prompts=prompts, groups=groups)

    def fit_folds(
        self, fused: Fused[Matrix], y: Targets, splits: Sequence[IntArray]
    ) -> Iterator[Self]:
        """Yield one copy per split; all share one cache of the rows."""
        cache = make_cache(fused.values)
        for rows in splits:
            head = replace(self)
            head._cache = cache
            yield head._learn(fused, y, rows)

    def _fit(self, fused: Fused[Matrix], y: Targets, rows: IntArray) -> None:
        self._cache = make_cache(fused.values) if self._cache is None else self._cache
        self._chosen, self._targets = rows, y[rows]

    def _predict(self, x: FloatArray) -> FloatArray:
        assert self._cache is not None, "it was fitted"
        targets, known = positives(self._targets).astype(np.float32), known_cells(self._targets)
        n_nearest = self._n_nearest(known)
        rates = self.rates_[self.learnable_].astype(np.float32)
        n_votes = min(self.neighbours, len(targets))
        scores = np.empty((len(x), targets.shape[1]), dtype=np.float32)
        for start, against in self._against(x):
            nearest = least(against, n_nearest)
            if known is not None:
                rank = np.take_along_axis(against, nearest, axis=1).argsort(axis=1)
                nearest = np.take_along_axis(nearest, rank, axis=1)
            found = -np.take_along_axis(against, nearest, axis=1)
            weights = np.exp(self.sharpness * (found - found.max(axis=1, keepdims=True)))
            total = weights.sum(axis=1, keepdims=True)
            cast_votes = targets[nearest]
            if known is not None:
                voting = known[nearest]
                voting &= voting.cumsum(axis=1) <= n_votes
                total = np.einsum("bn,bnk->bk", weights, voting)
                cast_votes *= voting
            votes = np.einsum("bn,bnk->bk", weights, cast_votes)
            votes += self.prior * rates
            scores[start : start + len(votes)] = votes / (total + self.prior)
        return scores.clip(0, 1)

    def _n_nearest(self, known: BoolArray | None) -> int:
        """How many of the nearest rows hold the neighbours of each class, in the mean."""
        share = 1.0 if known is None else max(float(known.mean(axis=0).min()), 1 / FARTHEST)
        return min(math.ceil(self.neighbours / share), len(self._targets))

    def _against(self, x: FloatArray) -> Iterator[tuple[int, FloatArray]]:
        """Yield the first row of each block of `x`, and its negated cosines to the cache."""
        assert self._cache is not None, "it was fitted"
        n_cached, width = len(self._chosen), x.shape[1]
        cached = torch.empty(min(CACHE_BLOCK_ROWS, n_cached), width)
        n_rows = min(int(np.clip(QUERY_NUMBERS // n_cached, *QUERY_ROWS)), len(x))
        against = torch.empty(n_rows, n_cached)
        for first in range(0, len(x), n_rows):
            rows = torch.from_numpy(-unit(x[first : first + n_rows]))
            for start in range(0, n_cached, CACHE_BLOCK_ROWS):
                chosen = self._chosen[start : start + CACHE_BLOCK_ROWS]
                part = cached[: len(chosen)].copy_(torch.from_numpy(self._cache[chosen]))
                torch.mm(rows, part.T, out=against[: len(rows), start : start + len(chosen)])
            for start in range(0, len(rows), BLOCK_ROWS):
                stop = min(start + BLOCK_ROWS, len(rows))
                yield first + start, against[start:stop].numpy()

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


def make_cache(x: Matrix) -> Cache:
    """Rows of length 1 in half precision."""
    cache = np.empty(x.shape, dtype=np.float16)
    for start in range(0, len(x), BLOCK_ROWS):
        cache[start : start + BLOCK_ROWS] = unit(x[start : start + BLOCK_ROWS])
    return cache


def least(values: FloatArray, n: int) -> IntArray:
    """The places of the `n` least values of each row, (rows, n), in no order.

    They are among those up to the nth of the least ones of stripes, which are few: that takes a
    quarter of the time of a partition of whole rows.
    """
    width = values.shape[1] // STRIPES
    if width < 2 * n:
        return np.argpartition(values, n - 1, axis=1)[:, :n]
    striped = values[:, : width * STRIPES].reshape(len(values), STRIPES, width).min(axis=1)
    bound = np.partition(striped, n - 1, axis=1)[:, n - 1 : n]
    row, place = np.divmod(np.flatnonzero(values <= bound), values.shape[1])
    counts = np.bincount(row, minlength=len(values))
    at = np.arange(len(row)) - np.repeat(counts.cumsum() - counts, counts)
    few = np.full((len(values), counts.max()), np.inf, dtype=np.float32)
    places = np.zeros(few.shape, dtype=np.int64)
    few[row, at], places[row, at] = values[row, place], place
    best = np.argpartition(few, n - 1, axis=1)[:, :n]
    return np.take_along_axis(places, best, axis=1)


def unit(x: FloatArray) -> FloatArray:
    """Rows of length 1; rows of zeros stay."""
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    out: FloatArray = x / np.maximum(lengths, 1e-30)
    return out
