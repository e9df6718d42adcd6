"""What is unknown counts nowhere: the one place that knows how targets say so.

Targets are 0, 1 or `mmfeat.types.UNKNOWN`. Every metric, threshold and fit asks here which of them
are known; where all are, nothing is copied.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mmfeat.types import UNKNOWN, BoolArray, Float64Array, IntArray, Targets

Value = TypeVar("Value", bound=np.generic)


def known_cells(targets: Targets) -> BoolArray | None:
    """Say of each target, of any shape, whether it is known; None where all are."""
    return None if targets.max(initial=0) <= 1 else targets != UNKNOWN


def positives(targets: Targets) -> Targets:
    """The targets, of any shape, with 0 for unknown ones: sums of them count positives."""
    known = known_cells(targets)
    return targets if known is None else targets * known


def rates(targets: Targets) -> Float64Array:
    """The share of positives among the known targets of each class, (k,); 0 without any."""
    known = known_cells(targets)
    shares: Float64Array = targets.mean(axis=0, dtype=np.float64)
    if known is not None:
        shares = positives(targets).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return shares


def known_only(predicted: Targets, targets: Targets) -> tuple[Targets, Targets]:
    """Label sets and targets, (n, k), with 0 in both where the target is unknown.

    Such a cell is neither a hit, nor predicted, nor true.
    """
    known = known_cells(targets)
    return (predicted, targets) if known is None else (predicted * known, targets * known)


def known_rows(targets: Targets) -> IntArray | None:
    """The rows of which a target is known, ascending, of targets (n,) or (n, k); None: all."""
    known = known_cells(targets)
    if known is None:
        return None
    return np.flatnonzero(known.reshape(len(known), -1).any(axis=1))


def judged_rows(targets: Targets) -> IntArray | None:
    """The rows, ascending, whose label set can be judged, of targets (n, k); None: all.

    A row with unknown labels and no positive may be empty or not: it has no F1, as a class
    without positives has none.
    """
    known = known_cells(targets)
    if known is None:
        return None
    return np.flatnonzero(known.all(axis=1) | (targets == 1).any(axis=1))


def of_known(values: NDArray[Value], truth: Targets) -> tuple[NDArray[Value], Targets]:
    """Values and truth of one class, (n,) each, in the rows of which it is known."""
    rows = known_rows(truth)
    return (values, truth) if rows is None else (values[rows], truth[rows])


def note_unknown(targets: Targets) -> list[str]:
    """A sentence on how many targets are unknown, if any."""
    known = known_cells(targets)
    if known is None:
        return []
    return [f"{100 * (1 - known.mean()):.1f} % of the labels are unknown and count nowhere"]
