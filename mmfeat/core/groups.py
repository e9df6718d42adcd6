"""Groups of related rows: what several ways to relate rows have in common.

Groups are an array (n,) of int64; rows with the same number are related.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

import numpy as np

from mmfeat.types import IntArray


def joined_groups(*ways: IntArray | None) -> IntArray | None:
    """Join several ways to group the same rows: related are those that a chain of ways relates.

    Each of `ways` is of shape (n,), or None where it relates no rows; so is what is returned. A
    group has the number of its first row.
    """
    given = [way for way in ways if way is not None]
    if not given:
        return None
    rows = np.arange(len(given[0]))
    firsts = [_first_of(way) for way in given if not np.array_equal(way, rows)]
    ways_that_relate = [first for first in firsts if not np.array_equal(first, rows)]
    groups = rows
    if len(ways_that_relate) == 1:
        (groups,) = ways_that_relate
    elif ways_that_relate:
        links = [np.stack([rows, first], axis=1) for first in ways_that_relate]
        groups = linked_groups(len(rows), np.concatenate(links))
    return None if np.array_equal(groups, rows) else groups


def linked_groups(n_rows: int, links: IntArray) -> IntArray:
    """Give rows that a chain of `links`, (m, 2), connects the number of the first of them, (n,)."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - takes half a second to load
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    ones = np.ones(len(links), np.bool_)
    graph = coo_array((ones, (links[:, 0], links[:, 1])), shape=(n_rows, n_rows))
    _, component = connected_components(graph, directed=False)
    return _first_of(component)


def group_texts(*columns: Sequence[str] | None) -> IntArray | None:
    """Relate rows that have the same text in one of the columns, see `joined_groups`.

    An empty text is like no other.
    """
    return joined_groups(*(None if texts is None else _numbered(texts) for texts in columns))


def _numbered(texts: Sequence[str]) -> IntArray:
    """The first row with each row's text, (n,); only texts that may be repeated are held."""
    digests = np.fromiter(map(hash, texts), np.int64, len(texts))
    in_order = np.sort(digests)
    repeated = np.isin(digests, in_order[1:][in_order[1:] == in_order[:-1]])
    rows, first = np.arange(len(texts)), dict[str, int]()
    for row, text in compress(enumerate(texts), repeated):
        if text:
            rows[row] = first.setdefault(text, row)
    return rows


def _first_of(numbers: IntArray) -> IntArray:
    """The first row that has each row's number, (n,)."""
    _, first, which = np.unique(numbers, return_index=True, return_inverse=True)
    rows: IntArray = first[which].astype(np.int64)
    return rows
