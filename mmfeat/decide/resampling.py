"""The resampler: every interval of the project is made from the resamples drawn here.

An out-of-fold score varies with the rows that are judged and with the rows from which the heads of
each fold learned. So both are resampled:

1. of K folds, K are drawn with replacement;
2. each group of a fold that was drawn m times counts Poisson(m) times, and with it all its rows;
   without groups each row is a group of its own.

`tune`, `compare`, `report`, `runs` and `score` share it, so a run has the same interval wherever
it is printed.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.thresholds.evaluate import values_of
from mmfeat.types import Float64Array, IntArray, Targets

Way = TypeVar("Way", bound=Hashable)  # of dividing the rows into folds
Counts = NDArray[np.uint8]  # (r, n): how often each row counts in each resample

N_RESAMPLES = 500
N_RESAMPLES_OF_MANY = 200  # for tables of more than MANY_CELLS, where each takes seconds
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
    for_rows: int | None = None,
    counts_in_memory: int = COUNTS_IN_MEMORY,
) -> dict[str, Float64Array]:
    """The objective of each prediction on the same resamples, of shape (r,).

    `folds` are ways to divide the rows, (n,) each. A prediction has label sets of shape (n, k)
    for one way or several, and its value is the mean over them.

    With `for_rows` the values are those of new tests of so many rows. A resample, which says what
    the rows could have been, stands for all rows there are, and the test is drawn from it row by
    row with replacement; with groups, group by group, to about as many rows. So the interval of
    a small test is wider than that of the estimate, and that of a very large one equals it.
    """
    found: dict[str, list[Float64Array]] = {name: [] for name in predicted}
    tests = np.random.default_rng([seed, for_rows or 0])
    for block in draw_counts(
        folds,
        groups=data.groups,
        n_resamples=n_resamples_of(data.targets),
        seed=seed,
        counts_in_memory=counts_in_memory // (1 if for_rows is None else 4),
    ):
        total: dict[str, Float64Array] = {}
        for way, resample in block:
            counts: NDArray[np.integer] = resample
            if for_rows is not None:
                counts = draw_tests(resample, data.groups, n_rows=for_rows, rng=tests)
            for name, by_way in predicted.items():
                if way in by_way:
                    values = values_of(objective, data, by_way[way], counts)
                    total[name] = total[name] + values if name in total else values
        for name, by_way in predicted.items():
            found[name].append(total[name] / len(by_way))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def interval(values: Float64Array, estimate: float) -> tuple[float, float]:
    """The 95 % interval of an estimate by its resampled values, of shape (r,).

    F1 is lower on average where there are fewer distinct rows, so resamples lie below the estimate
    and that below the truth (Davison & Hinkley 1997, section 5.2). As folds and rows are both
    drawn, resamples vary twice as much as the estimate does, and lie twice as far below: the
    central 95 % are moved onto the estimate, and half as far again. What such intervals cover is
    measured by `benchmarks/decide/coverage.py`.
    """
    low, high = np.quantile(values, TAILS) + 1.5 * (estimate - values.mean())
    return float(low), float(high)


def n_resamples_of(targets: Targets) -> int:
    """The number of resamples for targets of shape (n, k)."""
    return N_RESAMPLES_OF_MANY if targets.size > MANY_CELLS else N_RESAMPLES


def draw_counts(
    folds: Mapping[Way, IntArray],
    *,
    groups: IntArray | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    counts_in_memory: int = COUNTS_IN_MEMORY,
) -> Iterator[Iterator[tuple[Way, Counts]]]:
    """Draw blocks of resamples; each block gives every way to divide the rows with its counts.

    `folds` of each way and `groups` are of shape (n,); without `groups` each row is one. The
    groups of a resample are the same for all ways. The folds are drawn for each way, and depend
    on that way and `seed` alone, so that a prediction has the same resamples whatever it is
    compared with. A block has at most `counts_in_memory` counts per way.
    """
    levels = np.random.default_rng(seed)
    numbers = {way: np.unique(each, return_inverse=True)[1] for way, each in folds.items()}
    draws = {
        way: np.random.default_rng([seed, crc32(np.ascontiguousarray(number, "<i8").data)])
        for way, number in numbers.items()
    }
    n_rows = len(next(iter(numbers.values())))
    member = None if groups is None else np.unique(groups, return_inverse=True)[1]
    n_groups = n_rows if member is None else int(member.max()) + 1

    def block(size: int) -> Iterator[tuple[Way, Counts]]:
        level = levels.integers(0, LEVELS, (size, n_groups), dtype=np.uint16)
        if member is not None:
            level = level[:, member]
        for way, number in numbers.items():
            n_folds = int(number.max()) + 1
            drawn = draws[way].multinomial(n_folds, np.full(n_folds, 1 / n_folds), size)
            yield way, _counts(drawn, number, level)

    step = max(1, counts_in_memory // n_rows)
    for start in range(0, n_resamples, step):
        yield block(min(step, n_resamples - start))


def _counts(drawn: IntArray, number: NDArray[np.intp], level: NDArray[np.uint16]) -> Counts:
    """How often each row counts, (r, n): Poisson of how often its fold was drawn, (r, K).

    By inversion of the uniform `level`, (r, n): equal levels give similar counts.
    """
    table = np.stack([poisson_counts(float(mean)) for mean in range(int(drawn.max()) + 1)])
    counts = np.empty(level.shape, dtype=np.uint8)
    for line, times, uniform in zip(counts, drawn, level, strict=True):
        line[:] = table[times[number], uniform]
    return counts


def draw_tests(
    counts: Counts, groups: IntArray | None, *, n_rows: int, rng: np.random.Generator
) -> NDArray[np.int32]:
    """A test of `n_rows` rows from each resample, (r, n): how often each row is drawn."""
    member = np.arange(counts.shape[1])
    if groups is not None:
        member = np.unique(groups, return_inverse=True)[1]
    n_groups = int(member.max()) + 1
    n_drawn = max(1, round(n_rows * n_groups / len(member)))
    tests = np.empty(counts.shape, dtype=np.int32)
    for line, test in zip(counts, tests, strict=True):
        often = np.zeros(n_groups, dtype=np.int64)
        np.maximum.at(often, member, line)  # all rows of a group count equally often
        pool = np.repeat(np.arange(n_groups), often)
        if not len(pool):  # of very few rows all may be left out
            pool = np.arange(n_groups)
        if n_drawn > n_groups:  # as many as one likes, in the time of the groups
            share = np.bincount(pool, minlength=n_groups) / len(pool)
            test[:] = rng.multinomial(n_drawn, share)[member]
        else:
            drawn = pool[rng.integers(0, len(pool), n_drawn)]
            test[:] = np.bincount(drawn, minlength=n_groups)[member]
    return tests


def poisson_counts(mean: float) -> Counts:
    """The Poisson quantile of each level, of shape (LEVELS,); by numpy, as scipy loads slowly."""
    at = (np.arange(LEVELS) + 0.5) / LEVELS
    ratios = np.append(1.0, mean / np.arange(1, 256))
    cumulative = np.exp(-mean) * np.cumsum(np.cumprod(ratios))
    return np.searchsorted(cumulative, at).astype(np.uint8)
