"""Ever smaller samples of a table: whole groups, each class and each fold with its share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mmfeat.metrics.known import positives
from mmfeat.runs.folds import Folds
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.types import BoolArray, IntArray, Targets

PARTS = 12  # of a sample, some of which make the next smaller one


def draw_samples(
    targets: Targets,
    folds: Folds,
    groups: IntArray | None,
    *,
    shares: Sequence[float],
    seed: int,
) -> Iterator[BoolArray]:
    """Yield the rows of a sample, (n,), for each share of the rows; each is part of the last.

    `targets` are (n, k), `groups` (n,), and `shares` fall from below 1. A sample is divided as
    rows are divided into folds, with the fold of a row as one more label, and some of the parts
    are kept. So shares are met as nearly as groups allow.
    """
    numbers = np.unique(folds.held_out)
    of_fold = (folds.held_out[:, None] == numbers).astype(np.uint8)
    balanced = np.concatenate([positives(targets), of_fold], axis=1)
    rows = np.arange(len(targets))
    for share in shares:
        own = None if groups is None else groups[rows]
        n_groups = len(rows) if own is None else len(np.unique(own))
        n_parts = min(PARTS, n_groups)
        n_kept = max(1, round(share * len(targets) / len(rows) * n_parts))
        if n_kept < n_parts:
            part = make_folds(balanced[rows], n_folds=n_parts, seed=seed, groups=own)
            rows = rows[part < n_kept]
        sample = np.zeros(len(targets), np.bool_)
        sample[rows] = True
        yield sample
