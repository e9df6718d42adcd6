"""Threads of torch on a CPU: few for a small network, and several fits in parallel.

A step of a small network has many operations that are too short to be split among cores. Torch
releases the GIL while it computes.
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
    """Yield the result of each fit, in order; set `stop` when the caller stops iterating."""
    n_threads = torch.get_num_threads()
    share = max(1, n_threads // MAX_FITS)
    with ThreadPoolExecutor(
        fits_at_once(), initializer=torch.set_num_threads, initargs=(share,)
    ) as pool:
        try:
            yield from pool.map(lambda fit: fit(), fits)
        finally:
            stop.set()
            torch.set_num_threads(n_threads)  # new threads would inherit the share


@contextmanager
def threads_for(network: nn.Module, *, batch: int) -> Iterator[None]:
    """Limit the threads to what the largest product of a step of `batch` rows can use."""
    n_threads = torch.get_num_threads()
    worth = batch * max(p.numel() for p in network.parameters()) // PRODUCT
    torch.set_num_threads(min(max(1, worth), n_threads))
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
