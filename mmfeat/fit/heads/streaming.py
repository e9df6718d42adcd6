"""Passes over rows that do not fit into memory: in their order, or shuffled.

A shuffled pass reads blocks of consecutive rows in random order, as many as may be in memory at
once, and shuffles the rows among them. This is close to a shuffle of all rows, unless similar rows
form runs much longer than a block. Files are read in blocks, never row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from mmfeat.core.memory import give_back_freed
from mmfeat.types import FloatArray, IntArray, Matrix, Stream

BLOCK_ROWS = 1024  # consecutive rows that are read together
PASS_ROWS = 2048  # rows that a pass in order reads, and gives, at a time


@dataclass(frozen=True)
class Shared:
    """A `mmfeat.types.Stream` with several readers, each with a share of its memory."""

    stream: Stream
    readers: int

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        return self.stream.shape

    @property
    def buffer_rows(self) -> int:
        """How many rows each reader may have in memory at once."""
        return max(1, self.stream.buffer_rows // self.readers)

    @property
    def in_memory(self) -> bool:
        """Whether rows can be chosen by an index array."""
        return self.stream.in_memory

    def __len__(self) -> int:
        return len(self.stream)

    def __getitem__(self, rows: slice | IntArray, /) -> FloatArray:
        return self.stream[rows]


def in_memory(x: Matrix) -> bool:
    """Whether ``x[rows]`` can choose rows in any order."""
    return isinstance(x, np.ndarray) or x.in_memory


def in_order(x: Matrix, rows: IntArray) -> Iterator[tuple[slice, FloatArray]]:
    """Yield the chosen `rows` of `x`, ascending, after their positions in `rows`.

    The next part is read while the caller processes the current one.
    """
    with ThreadPoolExecutor(1) as reader:
        parts = _parts(x, rows)
        coming = reader.submit(next, parts, None)
        while (part := coming.result()) is not None:
            coming = reader.submit(next, parts, None)
            yield part
    give_back_freed()  # the memory of the reader's thread


def _parts(x: Matrix, rows: IntArray) -> Iterator[tuple[slice, FloatArray]]:
    for start in range(0, len(rows), PASS_ROWS):
        chosen = rows[start : start + PASS_ROWS]
        yield slice(start, start + len(chosen)), _choose(x, chosen)


def _choose(x: Matrix, rows: IntArray) -> FloatArray:
    """The chosen `rows`, ascending; a stream is read in slices."""
    first, end = int(rows[0]), int(rows[-1]) + 1
    if end - first == len(rows):
        return x[first:end]
    if isinstance(x, np.ndarray):
        return x[rows]
    parts = []
    for start in range(first, end, PASS_ROWS):
        low, high = np.searchsorted(rows, (start, start + PASS_ROWS)).tolist()
        if low < high:
            parts.append(x[start : min(start + PASS_ROWS, end)][rows[low:high] - start])
    return np.concatenate(parts)


def shuffled(
    x: Stream, rows: IntArray, *, n_batches: int, permute: Callable[[int], IntArray]
) -> Iterator[tuple[IntArray, FloatArray]]:
    """Yield the chosen `rows` of `x`, given ascending, in random order: `n_batches` (rows, values).

    ``permute(n)`` draws a permutation of n numbers.
    """
    sizes = np.diff(np.linspace(0, len(rows), n_batches + 1).astype(np.int64)).tolist()
    edges = np.arange(0, len(x) + BLOCK_ROWS, BLOCK_ROWS)
    bounds = np.searchsorted(rows, edges).tolist()
    names = np.empty(0, dtype=np.int64)
    values: FloatArray = np.empty((0, x.shape[1]), dtype=np.float32)
    n_blocks = max(1, x.buffer_rows // BLOCK_ROWS)
    order = permute(len(edges) - 1)
    for first in range(0, len(order), n_blocks):
        blocks = order[first : first + n_blocks].tolist()
        found = [rows[bounds[block] : bounds[block + 1]] for block in blocks]
        names = np.concatenate([names, *found])
        held, values = values, np.empty((len(names), x.shape[1]), dtype=np.float32)
        end = len(held)
        values[:end] = held
        for block, chosen in zip(blocks, found, strict=True):
            start = int(edges[block])
            part = x[start : start + BLOCK_ROWS] if len(chosen) else values[:0]
            values[end : end + len(chosen)] = part[chosen - start]
            end += len(chosen)
        mixed, done = permute(len(names)), 0
        while sizes and sizes[0] <= len(names) - done:
            batch = mixed[done : done + sizes.pop(0)]
            done += len(batch)
            yield names[batch], values[batch]
        names, values = names[mixed[done:]], values[mixed[done:]]
