"""The same work for many items, several at a time, in threads or processes."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.context import SpawnContext
from types import ModuleType
from typing import TypeVar

Result = TypeVar("Result")

SAFE_PATH = "PYTHONSAFEPATH"
MAX_THREADS = 8  # each holds the memory of one item, and threads wait for numpy's Python parts


def thread_map(work: Callable[[int], Result], items: Iterable[int]) -> list[Result]:
    """Call `work` on each item in threads: numpy releases the GIL while it computes.

    Returns the results in the order of `items`. Raises the first error of `work`, in that order.
    """
    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        return list(pool.map(work, items))


@contextmanager
def spawning() -> Iterator[SpawnContext]:
    """Give the context that starts processes which share nothing with this one.

    Those that are started inside do not look for modules in the current folder: a folder of data
    may hold a `json.py`.
    """
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield multiprocessing.get_context("spawn")
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before


@contextmanager
def without_main() -> Iterator[None]:
    """Let processes that are spawned inside leave the caller's script alone.

    They would run it again, and it may have no ``if __name__ == "__main__"``; an empty module
    stands in its place. What they are to do must be defined elsewhere.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def end_with_parent() -> None:
    """End this process as soon as the one that started it has ended, however it ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
