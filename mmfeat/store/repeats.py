"""Rows that repeat an earlier one: left open in a shard, filled in when shards become one store.

Which rows repeat one another is known from the table alone, so that what a shard holds does not
depend on which other shards exist.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace

import h5py
import numpy as np

from mmfeat.store.layout import Block, Problem, Status
from mmfeat.types import IntArray

OPEN = 0  # the status of such a row in a shard; no row of a store has it


def first_rows(texts: Sequence[str]) -> IntArray:
    """For each row of (n,), the first row with the same text."""
    first: dict[str, int] = {}
    rows = (first.setdefault(text, row) for row, text in enumerate(texts))
    return np.fromiter(rows, np.int64, len(texts))


def fill(
    block: Block,
    *,
    start: int,
    first: Mapping[str, IntArray],
    written: h5py.File,
    problems: Sequence[Problem],
) -> Block:
    """Fill in the open rows of `block`, which begins at row `start`, from the rows before it.

    `first` has per modality the first equal row of each row; `written` is the store so far: all
    ids, and the embeddings of the rows before `start`; `problems` are theirs, in order.
    """
    added: list[Problem] = []
    for modality, status in block.status.items():
        at = np.flatnonzero(status == OPEN)
        if not len(at):
            continue
        sources, which = np.unique(first[modality][start + at], return_inverse=True)
        group = written[modality]
        block.embeddings[modality][at] = group["embeddings"][sources][which]
        status[at] = group["status"][sources][which]
        if modality == "text":
            block.truncated[at] = group["truncated"][sources][which]
        failed = start + at[status[at] != Status.OK]
        ids = written["ids"].asstr()[failed] if len(failed) else ()
        for row, id_ in zip(failed.tolist(), ids, strict=True):
            source = (int(first[modality][row]), modality)
            told = problems[bisect_left(problems, source, key=Problem.place)]
            added.append(replace(told, row=row, id=id_))
    return replace(block, problems=tuple(sorted((*block.problems, *added), key=Problem.place)))
