"""The same work for each class, several classes at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

MAX_THREADS = 8  # each needs memory for one class, and numpy's parts hold one another up


def thread_map(work: Callable[[int], Result], classes: Iterable[int]) -> list[Result]:
    """Do `work` for each class, in threads: numpy lets go of the interpreter while it computes.

    The results stand in the order of `classes`; what is raised first ends it.
    """
    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        return list(pool.map(work, classes))
