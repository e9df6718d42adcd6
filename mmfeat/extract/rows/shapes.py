"""Batches of pictures of one shape.

Pictures wait for others of their shape, in a bounded number; which ones share a batch follows from
the rows. Where all pictures have one shape, batches are in their order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from mmfeat.extract.encoders.base import Pixels

WAITING = 4  # batches of pictures that may wait

Waiting = tuple[int, Pixels]  # the place of a picture, or of a pair, and its pixels


def in_equal_shapes(pictures: Iterable[Waiting], size: int) -> Iterator[list[Waiting]]:
    """Yield batches of pictures of one shape, at most `size` each."""
    waiting: dict[tuple[int, ...], list[Waiting]] = defaultdict(list)
    n_waiting = 0
    for at, pixels in pictures:
        shape = pixels.shape
        waiting[shape].append((at, pixels))
        n_waiting += 1
        if len(waiting[shape]) < size and n_waiting < WAITING * size:
            continue
        if len(waiting[shape]) < size:
            shape = max(waiting, key=lambda one: len(waiting[one]))
        n_waiting -= len(waiting[shape])
        yield waiting.pop(shape)
    yield from waiting.values()
