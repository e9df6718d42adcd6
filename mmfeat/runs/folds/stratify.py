"""Multilabel-stratified folds: every fold sees each class about equally often.

Iterative stratification (Sechidis, Tsoumakas, Vlahavas, ECML PKDD 2011):

1. take the class with the fewest rows left;
2. give each of its rows to the fold that wants that class most; among equals, to the fold
   that wants most rows; among those, at random;
3. repeat until no class is left, then share out the rows without labels.

A last pass moves rows so that every fold has a positive wherever a class has enough of them.
"""

from __future__ import annotations

import numpy as np

from mmfeat.errors import FitError
from mmfeat.metrics.known import positives
from mmfeat.runs.folds.grouped import share_groups
from mmfeat.types import IntArray, Targets


def make_folds(
    targets: Targets, *, n_folds: int, seed: int, groups: IntArray | None = None
) -> IntArray:
    """Assign each row of `targets`, (n, k), to a fold: (n,) int64 in [0, n_folds).

    What is balanced are known positives.

    Rows of one of the `groups`, (n,), stay together, see `mmfeat.runs.folds.grouped`. The same
    targets, groups, number and seed give the same folds. Every fold gets a positive of every class
    that has at least `n_folds`, unless groups or rows with several labels make that impossible.
    Raises `FitError` for fewer rows or groups than folds, or fewer than two folds.
    """
    n_groups = len(targets) if groups is None else len(np.unique(groups))
    if not 2 <= n_folds <= n_groups:
        raise FitError(
            "cross-validation needs at least 2 folds and a row, or a group of rows, for each",
            f"{n_folds} folds of {n_groups} {'rows' if groups is None else 'groups'} were asked"
            " for",
            "choose another number of --folds, or give more rows",
        )
    if groups is not None and n_groups < len(targets):
        return share_groups(targets, groups, n_folds=n_folds, seed=seed)
    n_rows = len(targets)
    targets = positives(targets)
    rng = np.random.default_rng(seed)
    folds = np.full(n_rows, -1, dtype=np.int64)
    order = rng.permutation(n_rows)  # rows of a class are taken in a random order
    luck = rng.random((n_rows, n_folds))
    labels_of = [np.flatnonzero(row) for row in targets]
    wanted = np.tile(targets.sum(axis=0) / n_folds, (n_folds, 1))  # (folds, k)
    room = np.full(n_folds, n_rows / n_folds)

    def give(row: int, fold: int) -> None:
        folds[row] = fold
        wanted[fold, labels_of[row]] -= 1
        room[fold] -= 1

    while (left := folds < 0).any():
        counts = targets[left].sum(axis=0)
        if not counts.any():
            break
        rarest = int(np.where(counts > 0, counts, n_rows + 1).argmin())
        for row in order[(left & (targets[:, rarest] > 0))[order]]:
            want = wanted[:, rarest]
            give(row, max(range(n_folds), key=lambda f: (want[f], room[f], luck[row, f])))
    for row in order[(folds < 0)[order]]:
        give(row, max(range(n_folds), key=lambda f: (room[f], luck[row, f])))
    _complete(folds, targets, n_folds)
    return folds


def _complete(folds: IntArray, targets: Targets, n_folds: int) -> None:
    """Move rows, rarest class first, until no class with enough positives misses a fold."""
    support = targets.sum(axis=0)
    counts = np.stack([targets[folds == fold].sum(axis=0) for fold in range(n_folds)])
    for label in np.argsort(support, kind="stable"):
        if support[label] < n_folds:
            continue
        for fold in np.flatnonzero(counts[:, label] == 0):
            for row in np.flatnonzero(targets[:, label]):
                held = (targets[row] > 0) & (support >= n_folds)
                if (counts[folds[row], held] >= 2).all():
                    counts[folds[row]] -= targets[row]
                    counts[fold] += targets[row]
                    folds[row] = fold
                    break
