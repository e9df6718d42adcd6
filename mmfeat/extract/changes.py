"""Images that were changed after they were encoded, under the same name.

A store contains no times, because the same input must give the same bytes. But the file of the
embeddings has a modification time, and an image with a later one may have changed. A copy of a
store is newer than the original, and copied images look changed. So for a finished store this is a
warning; a shard is made again, which takes time but is never wrong.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmfeat.extract.plan import Plan
from mmfeat.store.layout import Status


def changed_rows(plan: Plan, status: NDArray[np.uint8], holder: Path, *, start: int) -> list[int]:
    """Rows from `start` whose image is ok in the file `holder` but newer than that file.

    `status` has the rows of `holder`. Reads the file's metadata once per image; changes of images
    at an address are not detected.
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
