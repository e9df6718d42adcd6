"""Fits of several folds at once, in threads of this process, on a CPU.

A step of a small network has many operations that are too short to be shared among cores, so
a fold gets few threads and its neighbours the others. Torch lets go of the interpreter while it
computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

import torch

Result = TypeVar("Result")

MOST_AT_ONCE = 5  # fits; their share of the threads must not depend on how many are left to do


def side_by_side(fits: Sequence[Callable[[], Result]], *, stop: Event) -> Iterator[Result]:
    """Yield what each of the fits gives, in order; set `stop` where nobody waits any more."""
    n_threads = torch.get_num_threads()
    share = max(1, n_threads // MOST_AT_ONCE)
    with ThreadPoolExecutor(
        min(MOST_AT_ONCE, n_threads), initializer=torch.set_num_threads, initargs=(share,)
    ) as pool:
        try:
            yield from pool.map(lambda fit: fit(), fits)
        finally:
            stop.set()
            torch.set_num_threads(n_threads)  # or threads to come would have that share
