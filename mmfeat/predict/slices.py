"""Slices of rows: what `predict` and `submit` hold of a split at once."""

from __future__ import annotations

from collections.abc import Iterator

SLICE_ROWS = 2**14  # whose embeddings, or texts, are in memory


def slices(n_rows: int, *, size: int = SLICE_ROWS) -> Iterator[slice]:
    """Consecutive rows; one empty slice where there are none, so that a file has its header."""
    for start in range(0, max(n_rows, 1), size):
        yield slice(start, min(start + size, n_rows))
