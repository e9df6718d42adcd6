"""The same work for many items, several at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

MAX_THREADS = 8  # each holds the memory of one item, and threads wait for numpy's Python parts


def thread_map(work: Callable[[int], Result], items: Iterable[int]) -> list[Result]:
    """Call `work` on each item in threads: numpy releases the GIL while it computes.

    Returns the results in the order of `items`. Raises the first error of `work`, in that order.
    """
    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        return list(pool.map(work, items))
