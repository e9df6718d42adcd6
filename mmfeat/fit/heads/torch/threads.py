"""Threads of torch on a CPU: as many for a fit as are worth waking, and several fits at once.

A step of a small network has many operations that are too short to be shared among cores. Torch
lets go of the interpreter while it computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import TypeVar

import torch
from torch import nn

Result = TypeVar("Result")

PRODUCT = 1 << 25  # multiply-adds that are worth a thread: about a millisecond
MAX_FITS = 5  # that run in parallel; a constant, so that the threads of a fit are always the same


def fits_at_once() -> int:
    """How many fits `side_by_side` runs at a time."""
    return min(MAX_FITS, torch.get_num_threads())


def side_by_side(fits: Sequence[Callable[[], Result]], *, stop: Event) -> Iterator[Result]:
    """Yield what each of the fits gives, in order; set `stop` where nobody waits any more."""
    n_threads = torch.get_num_threads()
    share = max(1, n_threads // MAX_FITS)
    with ThreadPoolExecutor(
        fits_at_once(), initializer=torch.set_num_threads, initargs=(share,)
    ) as pool:
        try:
            yield from pool.map(lambda fit: fit(), fits)
        finally:
            stop.set()
            torch.set_num_threads(n_threads)  # or threads to come would have that share


@contextmanager
def threads_for(network: nn.Module, *, batch: int) -> Iterator[None]:
    """Inside, use no more threads than the largest product of a step of `batch` rows is worth."""
    n_threads = torch.get_num_threads()
    worth = batch * max(p.numel() for p in network.parameters()) // PRODUCT
    torch.set_num_threads(min(max(1, worth), n_threads))
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
