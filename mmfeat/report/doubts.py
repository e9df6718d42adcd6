"""Labels that may be wrong, by out-of-fold confidence.

The self-confidence of a cell is the probability that the run gives to the label it has: p where
the label is present, 1 − p where it is absent. With cleanlab installed (`mmfeat[cleanlab]`) the
cells are those that confident learning finds, class by class (Northcutt, Jiang, Chuang 2021).
Otherwise they are those where prediction and label differ. An unknown label cannot be wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from mmfeat.metrics.known import known_only
from mmfeat.report.curves import MAX_CLASSES, shown_classes
from mmfeat.types import BoolArray, RealArray, Targets

MAX_DOUBTS = 48


@dataclass(frozen=True, kw_only=True)
class Doubts:
    """Cells (row, class), the least confident first, and the method that found them."""

    cells: tuple[tuple[int, int], ...]
    method: str


def find_doubts(
    probabilities: RealArray,
    predicted: Targets,
    targets: Targets,
    *,
    version_of: Callable[[str], str] = version,
) -> Doubts:
    """Find at most `MAX_DOUBTS` cells; all arrays of shape (n, k).

    `version_of` gives the version of a package, or raises `PackageNotFoundError`.
    """
    confidence = np.where(targets == 1, probabilities, 1 - probabilities)
    try:
        method = f"confident learning, by cleanlab {version_of('cleanlab')}"
        if targets.shape[1] > MAX_CLASSES:
            method += f", in the {MAX_CLASSES} most frequent classes"
        found = _by_cleanlab(probabilities, targets)
    except PackageNotFoundError:
        method = "a ranking by confidence; with `pip install 'mmfeat[cleanlab]'`, by cleanlab"
        sets, truth = known_only(predicted, targets)
        found = sets != truth
    rows, columns = np.nonzero(found)
    order = np.argsort(confidence[rows, columns], kind="stable")[:MAX_DOUBTS]
    cells = zip(rows[order].tolist(), columns[order].tolist(), strict=True)
    return Doubts(cells=tuple(cells), method=method)


def _by_cleanlab(probabilities: RealArray, targets: Targets) -> BoolArray:
    """Whether cleanlab finds a cell mislabelled, of shape (n, k); in `shown_classes` alone."""
    from cleanlab.filter import find_label_issues  # noqa: PLC0415 - an extra

    found = np.zeros(targets.shape, dtype=bool)
    judged = (targets == 0).any(axis=0) & (targets == 1).any(axis=0)
    for j in shown_classes((targets == 1).sum(axis=0)):
        if not judged[j]:
            continue
        rows = np.flatnonzero(targets[:, j] <= 1)
        p = probabilities[rows, j].astype(np.float64)
        both = np.column_stack([1 - p, p])
        found[rows, j] = find_label_issues(
            targets[rows, j].astype(np.int64), both, filter_by="confident_learning", n_jobs=1
        )
    return found
