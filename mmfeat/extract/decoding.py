"""Decoding ahead of the encoder, in processes of their own: results come in the order asked."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from mmfeat.encoders.base import Preprocessing
from mmfeat.errors import ExtractError
from mmfeat.extract.images import Decoded, decode_image

CHUNK = 16  # images per task: enough to hide the cost of a message
AHEAD = 3  # tasks per process that may wait: bounds the memory
MOST_WORKERS = 16


@dataclass(frozen=True, kw_only=True)
class DecodeTask:
    """How every image of an extraction is decoded."""

    folder: Path
    preprocessing: Preprocessing
    max_pixels: int
    fast: bool

    def __call__(self, names: Sequence[str]) -> list[Decoded]:
        """Decode some images."""
        return [
            decode_image(
                self.folder,
                name,
                preprocessing=self.preprocessing,
                max_pixels=self.max_pixels,
                fast=self.fast,
            )
            for name in names
        ]


class Decoder:
    """A pool of decoding processes; with 0 workers, this process decodes when asked."""

    def __init__(self, task: DecodeTask, *, workers: int) -> None:
        self._task = task
        self._workers = min(os.cpu_count() or 1, MOST_WORKERS) if workers < 0 else workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self._workers:
            self._pool = ProcessPoolExecutor(
                self._workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start
            )
            self._pool.submit(os.getpid)  # starts the processes while the caller goes on
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def decode(self, names: Sequence[str]) -> Iterator[Decoded]:
        """Yield one result per name, in order; raise `ExtractError` where a process dies."""
        chunks = [names[i : i + CHUNK] for i in range(0, len(names), CHUNK)]
        if self._pool is None:
            for chunk in chunks:
                yield from self._task(chunk)
            return
        try:
            yield from self._decode_ahead(self._pool, chunks)
        except BrokenProcessPool as error:
            raise ExtractError(
                "decoding must not run out of memory",
                "a decoding process was killed",
                "use fewer --workers or a smaller --max-pixels, and run the same command again",
            ) from error

    def _decode_ahead(
        self, pool: ProcessPoolExecutor, chunks: Iterable[Sequence[str]]
    ) -> Iterator[Decoded]:
        waiting: deque[Future[list[Decoded]]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(self._task, chunk))
            if len(waiting) > self._workers * AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _start() -> None:
    """Leave Ctrl-C to the main process, and die with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None, "this runs in a child"

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
