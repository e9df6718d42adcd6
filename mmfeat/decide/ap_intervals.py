"""Intervals of each class's average precision, on the resamples that all intervals share."""

from __future__ import annotations

from functools import partial

import numpy as np

from mmfeat.core.parallel import thread_map
from mmfeat.decide.resampling import TAILS, Counts, draw_counts, n_resamples_of
from mmfeat.decide.thresholds.cuts import rank
from mmfeat.types import Float64Array, FloatArray, IntArray, Targets

CELLS = 2**20  # rows × resamples that a thread works on at once


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

    def resample(counts: Counts, j: int) -> Float64Array:
        return resampled_ap(probabilities[:, j], targets[:, j], counts, cells=cells)

    present = np.flatnonzero(targets.any(axis=0)).tolist()
    found: dict[int, list[Float64Array]] = {j: [] for j in present}
    for block in draw_counts(
        {None: np.zeros(len(targets), dtype=np.int64) if folds is None else folds},
        groups=groups,
        n_resamples=n_resamples_of(targets) if n_resamples is None else n_resamples,
        seed=seed,
    ):
        _, counts = next(block)
        for j, values in zip(present, thread_map(partial(resample, counts), present), strict=True):
            found[j].append(values)
    for j, parts in found.items():
        values = np.concatenate(parts)
        if not np.isnan(values).all():
            intervals[j] = np.nanquantile(values, TAILS)
    return intervals


def resampled_ap(
    scores: FloatArray, truth: Targets, counts: Counts, *, cells: int = CELLS
) -> Float64Array:
    """Average precision of each resample, of shape (r,); NaN where it has no positive.

    `scores` and `truth` are of shape (n,), with one positive at least; `counts` of shape (r, n).
    """
    order, ends = rank(scores)
    hits = np.cumsum(truth[order], dtype=np.int64)[ends]
    steps = np.diff(hits, prepend=0) > 0  # recall steps at the scores of positives alone
    ends, hits = ends[steps], hits[steps]
    positives = np.flatnonzero(truth[order])
    found = []
    step = max(1, cells // len(order))
    for first in range(0, len(counts), step):
        ranked = counts[first : first + step].take(order, axis=1)
        chosen = ranked.cumsum(axis=1, dtype=np.int32).take(ends, axis=1)
        right = ranked.take(positives, axis=1).cumsum(axis=1, dtype=np.int32)
        right = right.take(hits - 1, axis=1)
        precision = right / np.maximum(chosen, 1)
        total = right[:, -1]
        values = np.full(len(ranked), np.nan)
        gained = (precision * np.diff(right, axis=1, prepend=0)).sum(axis=1)
        np.divide(gained, total, out=values, where=total > 0)
        found.append(values)
    return np.concatenate(found)
