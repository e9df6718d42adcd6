"""Rows that repeat an earlier one: left open in a shard, filled in when shards become one store.

Which rows repeat one another is known from the table alone, so that what a shard holds does not
depend on which other shards exist.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from mmfeat.store.layout import Block, FailedRow, Status
from mmfeat.types import IntArray

OPEN = 0  # the status of such a row in a shard; no row of a store has it


def first_rows(texts: Sequence[str]) -> IntArray:
    """For each row of (n,), the first row with the same text."""
    first: dict[str, int] = {}
    rows = (first.setdefault(text, row) for row, text in enumerate(texts))
    return np.fromiter(rows, np.int64, len(texts))


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """Fills in the open rows of a store that is being written, block by block.

    Attributes
    ----------
    first
        Per modality the first equal row of each row, (n,).
    ids
        Of all rows.
    files, rows_per_file
        The files of the store in order, and the rows of each but the last.
    problems
        Those of the rows so far, in order.
    """

    first: Mapping[str, IntArray]
    ids: Sequence[str]
    files: Sequence[Path]
    rows_per_file: int
    problems: list[FailedRow] = field(default_factory=list)

    def fill(self, block: Block, *, start: int, file: h5py.File) -> Block:
        """Fill in the next block: it begins at row `start` and will stand in the open `file`."""
        added: list[FailedRow] = []
        for modality, status in block.status.items():
            at = np.flatnonzero(status == OPEN)
            if not len(at):
                continue
            first = self.first[modality][start + at]
            found = self._read(modality, first, file, number=start // self.rows_per_file)
            block.embeddings[modality][at] = found["embeddings"]
            status[at] = found["status"]
            if modality == "text":
                block.truncated[at] = found["truncated"]
            for row in (start + at[status[at] != Status.OK]).tolist():
                source = (int(self.first[modality][row]), modality)
                told = self.problems[bisect_left(self.problems, source, key=FailedRow.place)]
                added.append(replace(told, row=row, id=self.ids[row]))
        filled = tuple(sorted((*block.problems, *added), key=FailedRow.place))
        self.problems.extend(filled)
        return replace(block, problems=filled)

    def _read(
        self, modality: str, rows: IntArray, file: h5py.File, *, number: int
    ) -> dict[str, NDArray[Any]]:
        """Give what stands in rows that are written; `file` is that of this number."""
        sources, which = np.unique(rows, return_inverse=True)
        numbers = sources // self.rows_per_file
        parts = []
        for n in np.unique(numbers).tolist():
            at = sources[numbers == n] - n * self.rows_per_file
            if n == number:
                parts.append({name: dataset[at] for name, dataset in file[modality].items()})
            else:
                with h5py.File(self.files[n], "r") as earlier:
                    parts.append({name: data[at] for name, data in earlier[modality].items()})
        return {name: np.concatenate([part[name] for part in parts])[which] for name in parts[0]}
