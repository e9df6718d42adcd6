"""The same work for many items, several at a time, in threads or processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext
from multiprocessing.pool import Pool
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


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait until the block is done, in which processes are started.

    One that is half started when its parent ends, or that is interrupted itself, prints a
    traceback. So they never hear of Ctrl-C; their parent ends them.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone hears of it
        yield
        return
    resource_tracker.ensure_running()  # which would unblock Ctrl-C when it is started
    asked: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # processes inherit it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        if asked:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def process_pool(n_processes: int | None = None) -> Iterator[Pool]:
    """Give a pool of processes that end with this one; None: one per core."""
    pool = None
    try:
        with spawning() as context, without_main():
            with uninterrupted():
                pool = context.Pool(n_processes, end_with_parent)
            yield pool
    finally:
        if pool is not None:
            pool.terminate()


def end_with_parent() -> None:
    """End this process as soon as the one that started it has ended, however it ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
