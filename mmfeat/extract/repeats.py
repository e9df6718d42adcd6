"""Rows that repeat an earlier one: left open in a shard, filled in when shards are merged.

Repeats follow from the table alone, so that the content of a shard does not depend on which other
shards exist.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mmfeat.store.layout import OPTIONAL, Block, FailedRow, Status
from mmfeat.store.writer import WrittenRows
from mmfeat.types import IntArray

OPEN = 0  # the status of such a row in a shard; no row of a store has it


def first_rows(texts: Sequence[str]) -> IntArray:
    """For each row of (n,), the first row with the same text."""
    first: dict[str, int] = {}
    rows = (first.setdefault(text, row) for row, text in enumerate(texts))
    return np.fromiter(rows, np.int64, len(texts))


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """Fills in the open rows of a store that is being written: a `mmfeat.store.writer.Fill`.

    Attributes
    ----------
    first
        Per modality the first equal row of each row, (n,).
    failed
        The failed rows so far, in order.
    """

    first: Mapping[str, IntArray]
    failed: list[FailedRow] = field(default_factory=list)

    def __call__(self, block: Block, start: int, written: WrittenRows) -> Block:
        """Fill in the next block, which begins at row `start`."""
        added: list[FailedRow] = []
        for modality, status in block.status.items():
            at = np.flatnonzero(status == OPEN)
            if not len(at):
                continue
            rows, which = np.unique(self.first[modality][start + at], return_inverse=True)
            found = written.read(modality, rows)
            block.embeddings[modality][at] = found["embeddings"][which]
            status[at] = found["status"][which]
            for name in OPTIONAL:
                if modality in (flags := getattr(block, name)):
                    flags[modality][at] = found[name][which]
            for row in (start + at[status[at] != Status.OK]).tolist():
                source = (int(self.first[modality][row]), modality)
                reason = self.failed[bisect_left(self.failed, source, key=FailedRow.place)]
                added.append(replace(reason, row=row))
        failed = tuple(sorted((*block.failed, *added), key=FailedRow.place))
        self.failed.extend(failed)
        return replace(block, failed=failed)
