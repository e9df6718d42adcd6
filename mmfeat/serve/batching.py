"""Rows of many requests go through the encoder together, and each request gets its own answer.

1. A request takes places in the bounded queue; where there are too few, it is refused.
2. Its decoded rows wait, at most `delay` milliseconds after the first one of a batch, or as long
   as the batch before is being encoded.
3. One thread answers the whole batch. Where that fails, each request of it is answered alone, so
   that only the one at fault fails.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mmfeat.serve.refusal import busy

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class Places:
    """The places of a bounded queue, one per row."""

    total: int
    taken: int = 0

    @contextmanager
    def take(self, n_rows: int) -> Iterator[None]:
        """Hold `n_rows` places; raise `RequestError` where fewer are free."""
        if self.taken + n_rows > self.total:
            raise busy(f"{self.taken} of {self.total} rows are waiting")
        self.taken += n_rows
        try:
            yield
        finally:
            self.taken -= n_rows


@dataclass(frozen=True)
class _Job(Generic[Item, Result]):
    """The rows of a request, and who waits for them."""

    rows: Sequence[Item]
    answer: asyncio.Future[list[Result]]


@dataclass(kw_only=True)
class Batcher(Generic[Item, Result]):
    """Calls `work` with the rows of several requests at once.

    Attributes
    ----------
    work
        Answers rows, in their order; called in one thread.
    most
        Rows of a batch; the rows of one request are never split.
    delay
        Seconds that the first request of a batch waits for others, at most.
    on_batch
        Is told the rows of each batch.
    """

    work: Callable[[Sequence[Item]], list[Result]]
    most: int
    delay: float
    on_batch: Callable[[int], None]
    _waiting: asyncio.Queue[_Job[Item, Result]] = field(default_factory=asyncio.Queue)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "encoder"))
    _left: _Job[Item, Result] | None = None  # did not fit into the batch before

    async def answer(self, rows: Sequence[Item]) -> list[Result]:
        """Wait for the answers of these rows; raises what `work` raises for them."""
        job = _Job[Item, Result](rows, asyncio.get_running_loop().create_future())
        self._waiting.put_nowait(job)
        return await job.answer

    async def run(self) -> None:
        """Answer batches until it is cancelled."""
        try:
            while True:
                batch = [job for job in await self._collect() if not job.answer.done()]
                if batch:
                    self.on_batch(sum(len(job.rows) for job in batch))
                    await self._answer(batch)
        finally:
            self._thread.shutdown(wait=False)

    async def _collect(self) -> list[_Job[Item, Result]]:
        """The next batch: what waits, and what comes within the delay."""
        first = self._left or await self._waiting.get()
        self._left = None
        batch, n_rows = [first], len(first.rows)
        loop = asyncio.get_running_loop()
        end = loop.time() + self.delay
        while n_rows < self.most:
            try:
                async with asyncio.timeout_at(end if self._waiting.empty() else None):
                    job = await self._waiting.get()
            except TimeoutError:
                break
            if n_rows + len(job.rows) > self.most:
                self._left = job
                break
            batch.append(job)
            n_rows += len(job.rows)
        return batch

    async def _answer(self, batch: list[_Job[Item, Result]]) -> None:
        loop = asyncio.get_running_loop()
        rows = [row for job in batch for row in job.rows]
        try:
            answers = await loop.run_in_executor(self._thread, self.work, rows)
        except Exception as error:  # is given to the requests, each of which tells it
            if len(batch) == 1:
                if not batch[0].answer.done():
                    batch[0].answer.set_exception(error)
                return
            log.debug("a batch of %d requests is answered one by one: %s", len(batch), error)
            for job in batch:
                await self._answer([job])
            return
        start = 0
        for job in batch:
            if not job.answer.done():  # it has not given up
                job.answer.set_result(answers[start : start + len(job.rows)])
            start += len(job.rows)
