"""Intervals of each class's average precision, on the resamples that all intervals share."""

from __future__ import annotations

from functools import partial

import numpy as np

from mmfeat.core.parallel import thread_map
from mmfeat.decide.resampling import TAILS, Counts, draw_counts, n_resamples_of
from mmfeat.decide.thresholds.cuts import rank
from mmfeat.metrics.known import known_rows, of_known, positives
from mmfeat.types import Float64Array, FloatArray, IntArray, Targets

CELLS = 2**20  # positives × resamples that a thread works on at once


def class_ap_intervals(
    probabilities: FloatArray | None,
    targets: Targets,
    *,
    folds: IntArray | None = None,
    groups: IntArray | None = None,
    n_resamples: int | None = None,
    seed: int = 0,
    cells: int = CELLS,
) -> Float64Array:
    """The 95 % interval of each class's average precision, of shape (k, 2).

    `probabilities` and `targets` are of shape (n, k), `folds` and `groups` of shape (n,). Without
    `folds`, as for predictions by one model, only groups are resampled; see
    `mmfeat.decide.resampling`. `n_resamples` depends on the size of the table unless given.
    Resamples without a positive are left out. NaN for a class without positives, and without
    probabilities.
    """
    intervals = np.full((targets.shape[1], 2), np.nan)
    if probabilities is None:
        return intervals

    def resample(counts: FloatArray, j: int) -> Float64Array:
        scores, truth = of_known(probabilities[:, j], targets[:, j])
        rows = known_rows(targets[:, j])
        own = counts if rows is None else counts[:, rows]
        return resampled_ap(scores, truth, own, cells=cells)

    present = np.flatnonzero(positives(targets).any(axis=0)).tolist()
    found: dict[int, list[Float64Array]] = {j: [] for j in present}
    for block in draw_counts(
        {None: np.zeros(len(targets), dtype=np.int64) if folds is None else folds},
        groups=groups,
        n_resamples=n_resamples_of(targets) if n_resamples is None else n_resamples,
        seed=seed,
    ):
        _, drawn = next(block)
        counts = np.ascontiguousarray(drawn.T, dtype=np.float32).T
        for j, values in zip(present, thread_map(partial(resample, counts), present), strict=True):
            found[j].append(values)
    for j, parts in found.items():
        values = np.concatenate(parts)
        if not np.isnan(values).all():
            intervals[j] = np.nanquantile(values, TAILS)
    return intervals


def resampled_ap(
    scores: FloatArray, truth: Targets, counts: Counts | FloatArray, *, cells: int = CELLS
) -> Float64Array:
    """Average precision of each resample, of shape (r,); NaN where it has no positive.

    `scores` and `truth` are of shape (n,), with one positive at least; `counts` of shape (r, n),
    fastest in float32, with the counts of each row side by side.
    """
    order, ends = rank(scores)
    hits = np.cumsum(truth[order], dtype=np.int64)[ends]
    steps = np.diff(hits, prepend=0) > 0  # recall steps at the scores of positives alone
    ends, hits = ends[steps], hits[steps]
    order = order[: ends[-1] + 1]  # what lies below the last positive changes nothing
    starts = np.append(0, ends[:-1] + 1)
    positives = order[truth[order].astype(bool)]
    found = []
    step = max(1, cells // len(starts))
    for first in range(0, len(counts), step):
        by_row = counts[first : first + step].T.astype(np.float32, copy=False)
        chosen = _running_sums(by_row, order, starts)
        right = _running_sums(by_row, positives, np.append(0, hits[:-1]))
        precision = right / np.maximum(chosen, 1)
        total = right[:, -1]
        values = np.full(len(total), np.nan)
        gained = (precision * np.diff(right, axis=1, prepend=0)).sum(axis=1)
        np.divide(gained, total, out=values, where=total > 0)
        found.append(values)
    return np.concatenate(found)


def _running_sums(by_row: FloatArray, rows: IntArray, starts: IntArray) -> Float64Array:
    """The sums of `by_row`, (n, r), from the first of `rows` to the end of each part, (r, m).

    Parts of `rows` begin at `starts`. Whole numbers below 2²⁴ are exact in float32.
    """
    from scipy.sparse import csr_array  # noqa: PLC0415 - loads slowly

    ones = np.ones(len(rows), dtype=np.float32)
    parts = csr_array((ones, rows, np.append(starts, len(rows))), (len(starts), len(by_row)))
    sums = np.cumsum(parts @ by_row, axis=0, dtype=np.float64)
    return np.ascontiguousarray(sums.T)
