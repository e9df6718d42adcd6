"""Pictures that were changed after they were encoded, under the name they had.

A store holds no clock times, for the same input must give the same bytes. But the file that holds
the embeddings has a time, and a picture younger than it was written after it. A copy of the store
is younger than the original, and pictures that are copied anew look changed: so of a finished
store this is a warning, while a shard is simply made again, which costs time but is never wrong.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmfeat.extract.plan import Plan
from mmfeat.store.layout import Status


def changed_rows(plan: Plan, status: NDArray[np.uint8], holder: Path, *, start: int) -> list[int]:
    """Rows from `start` on whose picture is ok in the file `holder` but younger than it.

    `status` has the rows of `holder`. One look at the folder's metadata per picture; of images
    at an address, changes are not noticed.
    """
    written = holder.stat().st_mtime_ns
    rows = (start + np.flatnonzero(status == Status.OK)).tolist()
    paths = plan.table.image_paths
    first = {paths[row]: row for row in reversed(rows)}
    return sorted(row for path, row in first.items() if plan.images.written(path) > written)


def mended_rows(plan: Plan, status: NDArray[np.uint8], holder: Path, *, start: int) -> list[int]:
    """Rows from `start` on whose picture failed in `holder` and was put there or changed since."""
    written = dict.fromkeys((start + np.flatnonzero(status == Status.MISSING)).tolist(), 0)
    for code in (Status.CORRUPT, Status.TOO_LARGE, Status.REFUSED):
        rows = (start + np.flatnonzero(status == code)).tolist()
        written |= dict.fromkeys(rows, holder.stat().st_mtime_ns)
    paths = plan.table.image_paths
    return sorted(row for row, then in written.items() if plan.images.written(paths[row]) > then)
