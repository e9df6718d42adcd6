"""Several predictions of the same rows, judged on the same resamples of folds and rows.

A score out of fold varies with the rows that are judged and with the rows that each fold's
heads learned from. So both are resampled: K folds are drawn from the K folds, and each row of a
fold that was drawn m times counts Poisson(m) times. That is a little wider than rows alone, and
on purpose: a difference that excludes zero here is not owed to one lucky fold.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from mmfeat.decide.thresholds import TuningData, values_of
from mmfeat.types import Float64Array, IntArray, Targets

Way = TypeVar("Way", bound=Hashable)  # of dividing the rows into folds

N_RESAMPLES = 500
CHUNK = 2**22  # weights in memory at once
LEVELS = 2**12  # of the uniform numbers that become counts


def resampled_values(
    objective: str,
    problem: TuningData,
    folds: Mapping[Way, IntArray],
    predicted: Mapping[str, Mapping[Way, Targets]],
    *,
    seed: int = 0,
) -> dict[str, Float64Array]:
    """The objective of each prediction on the same resamples, of shape (r,).

    `folds` are ways to divide the rows, (n,) each; a prediction has label sets of shape (n, k)
    for one way or several, and its value is the mean over them. The rows of a resample are the
    same for all, the folds are drawn for each way.
    """
    rng = np.random.default_rng(seed)
    numbers = {way: np.unique(each, return_inverse=True)[1] for way, each in folds.items()}
    n_rows = len(problem.targets)
    found: dict[str, list[Float64Array]] = {name: [] for name in predicted}
    step = max(1, CHUNK // n_rows)
    for start in range(0, N_RESAMPLES, step):
        size = min(step, N_RESAMPLES - start)
        level = rng.integers(0, LEVELS, (size, n_rows), dtype=np.uint16)
        total = {name: np.zeros(size) for name in predicted}
        for way, number in numbers.items():
            n_folds = int(number.max()) + 1
            drawn = rng.multinomial(n_folds, np.full(n_folds, 1 / n_folds), size)
            weights = _counts(drawn[:, number], level)
            for name, by_way in predicted.items():
                if way in by_way:
                    total[name] += values_of(objective, problem, by_way[way], weights)
        for name, by_way in predicted.items():
            found[name].append(total[name] / len(by_way))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _counts(times: NDArray[np.int64], level: NDArray[np.uint16]) -> Float64Array:
    """Poisson(`times`) counts by inversion: equal levels, the uniform numbers, give like counts."""
    at = (np.arange(LEVELS) + 0.5) / LEVELS
    table = poisson.ppf(at, np.arange(times.max() + 1)[:, None])
    table[0] = 0.0
    counts: Float64Array = table[times, level]
    return counts
