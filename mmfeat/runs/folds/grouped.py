"""Multilabel-stratified folds that keep groups of rows whole.

Iterative stratification shares out rows; here whole groups are, by what they hold of every class:

1. groups are taken by the rarity of their rarest class, large ones first, and each goes to the fold
   that it brings nearest to an equal share of all its classes and of the rows;
2. then groups are moved, one at a time and in random order, as long as a move lowers the sum over
   folds and classes of the squared difference to an equal share, in units of that share;
3. at last groups are moved so that every fold has a positive wherever a class is in enough groups.

Rare classes weigh most, because the share of a class is the unit of its difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmfeat.types import Float64Array, IntArray, Targets

MOST_PASSES = 10  # over all groups; two or three are enough in practice
LEAST_GAIN = 1e-12


def share_groups(targets: Targets, groups: IntArray, *, n_folds: int, seed: int) -> IntArray:
    """Assign each row to a fold, and all rows of a group alike: (n,) int64 in [0, n_folds).

    `targets` are of shape (n, k), `groups`, equal for rows of one group, of shape (n,).
    """
    rng = np.random.default_rng(seed)
    _, member = np.unique(groups, return_inverse=True)
    content = _Content.of(targets, member)
    share = content.total / n_folds
    weight = 1 / np.maximum(share, 1) ** 2
    excess = np.tile(-share, (n_folds, 1))  # of each fold over its share, per class
    fold_of = np.full(content.n_groups, -1)
    for step in range(1 + MOST_PASSES):
        is_moved = False
        order = content.rarest_first(rng) if step == 0 else rng.permutation(content.n_groups)
        for group in order.tolist():
            classes, counts = content.of_group(group)
            held, outside = fold_of[group], excess[:, classes]
            if held >= 0:
                outside[held] -= counts
            cost = (2 * outside + counts) @ (weight[classes] * counts)  # what it adds to the sum
            best = int(cost.argmin())
            if held >= 0:
                if cost[held] - cost[best] <= LEAST_GAIN:
                    continue
                excess[held, classes] -= counts
            excess[best, classes] += counts
            fold_of[group], is_moved = best, True
        if not is_moved:
            break
    _complete(fold_of, content, n_folds)
    folds: IntArray = fold_of[member]
    return folds


def _complete(fold_of: IntArray, content: _Content, n_folds: int) -> None:
    """Move small groups, rarest class first, until no class in enough groups misses a fold."""
    group_of = np.repeat(np.arange(content.n_groups), np.diff(content.starts))
    in_groups = np.bincount(content.classes, minlength=len(content.total))
    has = np.zeros((n_folds, len(in_groups)), np.int64)  # groups of each fold with a class
    np.add.at(has, (fold_of[group_of], content.classes), 1)
    n_rows = content.counts[content.starts[1:] - 1]
    for label in np.argsort(in_groups, kind="stable"):
        if in_groups[label] < n_folds:
            continue
        holders = group_of[content.classes == label]
        for fold in np.flatnonzero(has[:, label] == 0):
            for group in holders[np.argsort(n_rows[holders], kind="stable")]:
                classes, _ = content.of_group(group)
                needed = classes[in_groups[classes] >= n_folds]
                if (has[fold_of[group], needed] >= 2).all():
                    has[fold_of[group], classes] -= 1
                    has[fold, classes] += 1
                    fold_of[group] = fold
                    break


@dataclass(frozen=True)
class _Content:
    """What each group holds: its classes and the rows of each, one group after another.

    The rows themselves count as one more class, the last. `starts` is of shape (g + 1,).
    """

    classes: IntArray
    counts: IntArray
    starts: IntArray
    total: Float64Array  # (k + 1,)

    @classmethod
    def of(cls, targets: Targets, member: IntArray) -> _Content:
        """Count the positives of `targets`, (n, k), in each group; `member` is (n,) in [0, g)."""
        width, n_groups = targets.shape[1] + 1, int(member.max()) + 1
        rows, columns = np.nonzero(targets == 1)
        cells = np.concatenate([member[rows] * width + columns, member * width + width - 1])
        found, counts = np.unique(cells, return_counts=True)
        group, classes = np.divmod(found, width)
        return cls(
            classes=classes,
            counts=counts,
            starts=np.searchsorted(group, np.arange(n_groups + 1)),
            total=np.bincount(classes, counts, minlength=width).astype(np.float64),
        )

    @property
    def n_groups(self) -> int:
        """g."""
        return len(self.starts) - 1

    def of_group(self, group: int) -> tuple[IntArray, IntArray]:
        """The classes of a group, and how many of its rows have each."""
        here = slice(self.starts[group], self.starts[group + 1])
        return self.classes[here], self.counts[here]

    def rarest_first(self, rng: np.random.Generator) -> IntArray:
        """The groups in the order in which they are shared out, (g,)."""
        in_groups = np.bincount(self.classes)  # of each class: in how many groups it is
        rarest = np.minimum.reduceat(in_groups[self.classes], self.starts[:-1])
        n_rows = self.counts[self.starts[1:] - 1]  # the last class of every group
        order: IntArray = np.lexsort((rng.random(self.n_groups), -n_rows, rarest))
        return order
