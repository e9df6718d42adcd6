"""Scores of rows by fits without them: without the row alone, or without all rows of its group.

Groups are left out one by one, by the blocks of their leverages, where that is cheap. Large groups
are left out in parts of whole groups, whose sums are subtracted from those of all rows. Of many
rows, a random sample is judged.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mmfeat.fit.heads.solvers.least_squares import Fits, sums_of
from mmfeat.fit.heads.streaming import in_order
from mmfeat.runs.folds.inside import share_out
from mmfeat.types import Float64Array, FloatArray, IntArray, Matrix, Targets

MOST_ROWS, MOST_CELLS = 1 << 15, 1 << 22  # rows, and rows × classes, that are judged
PORTION = 4096  # rows that are judged at a time
N_PARTS = 5  # that large groups are left out in
# What blocks cost grows with the sum of the squared sizes of groups, what parts cost with d³.
CHEAP, PARTS_COST = 1 << 14, 1 / 8  # up to such a sum, or up to this share of d², take blocks


def fit_and_leave_out(
    x: Matrix,
    y: Targets,
    rows: IntArray,
    *,
    groups: IntArray,
    penalties: Float64Array,
    seed: int,
    device: torch.device,
) -> tuple[Fits, FloatArray, Targets]:
    """Fit `rows`, ascending, with `groups` (n,); give scores by fits without a row's group.

    The scores, above the rate of each class, are (penalties, n, k), and the targets of the judged
    rows (n, k). Rows of a single group are left out each alone.
    """
    n_judged = max(1, min(MOST_ROWS, MOST_CELLS // y.shape[1]))
    if groups.min() == groups.max():
        groups = rows
    _, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    judged: list[tuple[FloatArray, Targets]] = []
    if np.square(sizes[sizes > 1]).sum() <= max(CHEAP, PARTS_COST * x.shape[1] ** 2):
        fits = Fits(sums_of(x, y, rows, device), penalties)
        for inside in _whole_groups(member, sizes, n_judged, seed):
            values, targets = _read(x, rows[inside], device), y[rows[inside]]
            scores = fits.scores_without(values, targets, member[inside])
            judged.append((scores.cpu().numpy(), targets))
    else:
        part_of = share_out(len(rows), groups, n_parts=N_PARTS, seed=seed)
        parts = [rows[part_of == part] for part in range(part_of.max() + 1)]
        sums = [sums_of(x, y, part, device) for part in parts]
        total = sum(sums[1:], sums[0])
        fits = Fits(total, penalties)
        for part, own in zip(parts, sums, strict=True):
            without = Fits(total - own, penalties)
            for at in _sample(part, -(-n_judged // len(parts)), seed):
                judged.append((without.scores(_read(x, at, device)).cpu().numpy(), y[at]))
    found, truth = zip(*judged, strict=True)
    return fits, np.concatenate(found, axis=1), np.concatenate(truth)


def _whole_groups(member: IntArray, sizes: IntArray, n_rows: int, seed: int) -> Iterator[IntArray]:
    """Portions of about so many rows in all, by their positions: random groups, each whole.

    `member` is the number of each row's group, and `sizes` how many rows each group has.
    """
    order = np.arange(len(sizes))
    if n_rows < len(member):
        order = np.random.default_rng(seed).permutation(order)
    before = sizes[order].cumsum() - sizes[order]
    portion = np.full(len(sizes), -1)
    portion[order] = np.where(before < n_rows, before // PORTION, -1)
    for which in np.unique(portion[portion >= 0]):
        yield np.flatnonzero(portion[member] == which)


def _sample(rows: IntArray, n_rows: int, seed: int) -> Iterator[IntArray]:
    """Portions of so many random `rows`, ascending; of all where there are fewer."""
    if n_rows < len(rows):
        rows = np.sort(np.random.default_rng(seed).choice(rows, n_rows, replace=False))
    yield from np.array_split(rows, -(-len(rows) // PORTION))


def _read(x: Matrix, rows: IntArray, device: torch.device) -> Tensor:
    """The rows of these numbers, ascending, (n, d)."""
    return torch.from_numpy(np.concatenate([part for _, part in in_order(x, rows)])).to(device)
