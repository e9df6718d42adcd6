"""Rows held out inside a fit, of those that it learns from, to stop or to choose an option by."""

from __future__ import annotations

import numpy as np

from mmfeat.types import IntArray

SET_ASIDE = 10  # one row in ten is held out
MIN_SET_ASIDE = 20  # fewer are too noisy to stop by


def hold_out(order: IntArray, groups: IntArray | None) -> tuple[IntArray, IntArray]:
    """Split rows in random `order`, (n,), into those that judge and those that are learned from.

    A tenth judges. Rows of one group stay together: groups, of all rows, are held out in random
    order until they have a tenth. One that has more is only held out where all have, and it has
    the fewest rows. Nothing is held out where that leaves fewer than 20 rows to judge, or none to
    learn from.
    """
    n_wanted = len(order) // SET_ASIDE
    if groups is None:
        is_judge = np.arange(len(order)) < n_wanted
    else:
        _, first, member, sizes = np.unique(
            groups[order], return_index=True, return_inverse=True, return_counts=True
        )
        sizes, smallest = sizes[np.argsort(first)], sizes.min()
        sizes = np.where(sizes <= max(n_wanted, smallest), sizes, 0)
        before = np.cumsum(sizes) - sizes
        is_chosen = (sizes > 0) & (before < n_wanted)
        is_judge = is_chosen[np.argsort(np.argsort(first))[member]]
    n_judges = int(is_judge.sum())
    if n_judges < MIN_SET_ASIDE or n_judges == len(order):
        is_judge[:] = False
    return order[is_judge], order[~is_judge]


def share_out(n_rows: int, groups: IntArray | None, *, n_parts: int, seed: int) -> IntArray:
    """Assign rows to random parts: (n,) in [0, n_parts), or fewer where there are fewer groups.

    Rows of one of the `groups`, (n,), are in one part. Parts have equally many rows without
    groups, and equally many groups with them.
    """
    units, n_units = np.arange(n_rows), n_rows
    if groups is not None:
        found, units = np.unique(groups, return_inverse=True)
        n_units = len(found)
    parts: IntArray = np.random.default_rng(seed).permutation(n_units)[units] % n_parts
    return parts
