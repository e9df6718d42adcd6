"""Extractions go on to the shards that they need, an engine makes those, and they go on."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

from mmfeat.extract.engines.base import Work, find_engine

log = logging.getLogger(__name__)

T = TypeVar("T")
# Yields the shards that it needs, is sent the seconds that they took, and returns what it gives.
Extraction = Generator[Work, float, T]


def carry_out(extractions: Sequence[Extraction[T]]) -> list[T]:
    """Carry out extractions of one machine and one engine; return what they return.

    The shards that several need at a time are made together, where the engine can do that, and so
    are those of an encoder that takes pictures for several modalities.
    """
    results: dict[int, T] = {}
    with ExitStack() as stack:
        for extraction in extractions:
            stack.callback(extraction.close)  # which releases its store after an error
        seconds: dict[int, Any] = dict.fromkeys(range(len(extractions)))  # None starts it
        while seconds:
            works: dict[int, Work] = {}
            for i, took in seconds.items():
                try:
                    works[i] = extractions[i].send(took)
                except StopIteration as end:
                    results[i] = end.value
            seconds = dict(zip(works, _make(list(works.values())), strict=True))
    return [results[i] for i in range(len(extractions))]


def _make(works: Sequence[Work]) -> list[float]:
    """Make the shards; return how many seconds those of each work take by itself."""
    for work in works:
        work.start()
    try:
        if sum(max(len(work.plan.of_pictures), 1) for work in works) > 1:
            together = find_engine(works[0].plan.settings.engine).make_together
            if together is not None:
                return together(works)
        return [_make_alone(work) for work in works]
    except KeyboardInterrupt:
        log.info("what is done is kept; `mmfeat clean --unfinished` removes it")
        raise


def _make_alone(work: Work) -> float:
    started = time.perf_counter()
    engine = find_engine(work.plan.settings.engine)
    engine.make_shards(work.plan, work.encoder, work.shards, work.parts, work.advance)
    return time.perf_counter() - started
