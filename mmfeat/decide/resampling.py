"""The resampler: predictions of the same rows, judged on the same resamples of folds and rows.

A score out of fold varies with the rows that are judged and with the rows that each fold's
heads learned from. So both are resampled: K folds are drawn from the K folds, and each row of a
fold that was drawn m times counts Poisson(m) times. Every interval of `tune`, `compare` and
`report` is made here, so that a run has the same interval wherever it is printed.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.thresholds.evaluate import values_of
from mmfeat.types import Float64Array, IntArray, Targets

Way = TypeVar("Way", bound=Hashable)  # of dividing the rows into folds

N_RESAMPLES = 500
N_RESAMPLES_OF_MANY = 200  # of tables of more than MANY_CELLS, where each takes seconds
MANY_CELLS = 2**25
COUNTS_IN_MEMORY = 2**26  # rows × resamples, of 3 bytes each
LEVELS = 2**12  # of the uniform numbers that become counts
TAILS = (0.025, 0.975)


def resampled_values(
    objective: str,
    data: TuningData,
    folds: Mapping[Way, IntArray],
    predicted: Mapping[str, Mapping[Way, Targets]],
    *,
    seed: int = 0,
    counts_in_memory: int = COUNTS_IN_MEMORY,
) -> dict[str, Float64Array]:
    """The objective of each prediction on the same resamples, of shape (r,).

    `folds` are ways to divide the rows, (n,) each; a prediction has label sets of shape (n, k)
    for one way or several, and its value is the mean over them. The rows of a resample are the
    same for all; the folds are drawn for each way, and depend on that way and `seed` alone.
    """
    rows = np.random.default_rng(seed)
    numbers = {way: np.unique(each, return_inverse=True)[1] for way, each in folds.items()}
    draws = {
        way: np.random.default_rng([seed, crc32(np.ascontiguousarray(number, "<i8").data)])
        for way, number in numbers.items()
    }
    n_rows = len(data.targets)
    n_resamples = N_RESAMPLES_OF_MANY if data.targets.size > MANY_CELLS else N_RESAMPLES
    found: dict[str, list[Float64Array]] = {name: [] for name in predicted}
    step = max(1, counts_in_memory // n_rows)
    for start in range(0, n_resamples, step):
        size = min(step, n_resamples - start)
        level = rows.integers(0, LEVELS, (size, n_rows), dtype=np.uint16)
        total = {name: np.zeros(size) for name in predicted}
        for way, number in numbers.items():
            n_folds = int(number.max()) + 1
            drawn = draws[way].multinomial(n_folds, np.full(n_folds, 1 / n_folds), size)
            weights = _counts(drawn, number, level)
            for name, by_way in predicted.items():
                if way in by_way:
                    total[name] += values_of(objective, data, by_way[way], weights)
        for name, by_way in predicted.items():
            found[name].append(total[name] / len(by_way))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def interval(values: Float64Array) -> tuple[float, float]:
    """The central 95 % of resampled values."""
    low, high = np.quantile(values, TAILS).tolist()
    return low, high


def _counts(
    drawn: NDArray[np.int64], number: NDArray[np.int64], level: NDArray[np.uint16]
) -> NDArray[np.uint8]:
    """How often each row counts, (r, n): Poisson of how often its fold was drawn, (r, K).

    By inversion: equal levels, the uniform numbers, give like counts.
    """
    at = (np.arange(LEVELS) + 0.5) / LEVELS
    table = poisson.ppf(at, np.arange(drawn.max() + 1)[:, None])
    table[0] = 0.0
    small = table.astype(np.uint8)
    counts = np.empty(level.shape, dtype=np.uint8)
    for line, times, uniform in zip(counts, drawn, level, strict=True):
        line[:] = small[times[number], uniform]
    return counts
