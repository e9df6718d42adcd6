"""Ways to hold rows out other than at random: the table's folds, forward in time, another split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmfeat.errors import FitError
from mmfeat.runs.folds import Folds
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.types import BoolArray, Float64Array, IntArray, Targets


def folds_of_names(names: Sequence[str]) -> Folds:
    """The folds that a table names, (n,); they are numbered in the order of their names."""
    order = sorted(set(names), key=lambda name: (not name.isdecimal(), name.zfill(20), name))
    number = {name: at for at, name in enumerate(order)}
    return Folds(np.array([number[name] for name in names], np.int64))


def folds_in_time(times: Float64Array, *, n_folds: int, groups: IntArray | None = None) -> Folds:
    """Cut the rows by `times`, (n,), into `n_folds` + 1 blocks of about equal size.

    The first block is only learned from; each of the others is judged by what was before it. Rows
    of one time are in one block, and those of one of the `groups`, (n,), in that of the latest.
    Raises `FitError` where there are too few different times.
    """
    latest = times
    if groups is not None:
        _, member = np.unique(groups, return_inverse=True)
        last = np.full(member.max() + 1, -np.inf)
        np.maximum.at(last, member, times)
        latest = last[member]
    cuts = np.quantile(latest, np.arange(1, n_folds + 1) / (n_folds + 1), method="higher")
    block = np.searchsorted(np.unique(cuts), latest, side="right")
    n_blocks = len(np.unique(block))
    if n_blocks < n_folds + 1:
        raise FitError(
            "folds in time need different times for each, and earlier ones to learn from",
            f"the times give {n_blocks} blocks of rows, not {n_folds + 1}",
            "choose fewer --folds, or hold rows out with --fold-by random",
        )
    return Folds(block.astype(np.int64) - 1, "forward")


def folds_of_validation(
    targets: Targets, judging: BoolArray, *, n_folds: int, seed: int, groups: IntArray | None = None
) -> Folds:
    """Hold out the `judging` rows, (n,), and learn from the others.

    What is decided by scores (thresholds, calibration, weights) is judged on rows that it was not
    chosen on: so the judging rows are divided into stratified folds, of which one head judges all.
    """
    held_out = np.full(len(targets), -1, np.int64)
    held_out[judging] = make_folds(
        targets[judging],
        n_folds=n_folds,
        seed=seed,
        groups=None if groups is None else groups[judging],
    )
    return Folds(held_out, "fixed")
