"""Decoding ahead of the encoder, in processes of their own: results come in the order asked.

The processes are started as programs, not through multiprocessing's spawn, which would import the
caller's main module (and torch with it) into each of them, and would ask every script for an
``if __name__ == "__main__"``. A process ends when the pipe to its parent closes, however that
happens.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from mmfeat.errors import ExtractError, MmfeatError
from mmfeat.extract.encoders.base import Preprocessing
from mmfeat.extract.images.read import Decoded, decode_for_all, decode_image
from mmfeat.extract.images.sources import Images

CHUNK = 16  # images per task: enough to hide the cost of a message
AHEAD = 2  # tasks per process that may wait: bounds the memory
MOST_WORKERS = 16
PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]);"
    " from mmfeat.extract.images.decoding import serve; serve(int(sys.argv[1]))"
)


@dataclass(frozen=True, kw_only=True)
class DecodeTask:
    """How every image of an extraction is decoded."""

    images: Images
    preprocessing: Preprocessing
    max_pixels: int
    fast: bool

    def __call__(self, names: Sequence[str]) -> list[Decoded]:
        """Read and decode some images; raise `ExtractError` where they are out of reach."""
        return [
            decode_image(
                content,
                preprocessing=self.preprocessing,
                max_pixels=self.max_pixels,
                fast=self.fast,
            )
            for content in self.images.read(names)
        ]


@dataclass(frozen=True, kw_only=True)
class DecodeForAll:
    """How every image is decoded once for several encoders; one result for each of them."""

    images: Images
    preprocessings: Sequence[Preprocessing]
    max_pixels: int
    fast: bool

    def __call__(self, names: Sequence[str]) -> list[list[Decoded]]:
        """As `DecodeTask`."""
        return [
            decode_for_all(content, self.preprocessings, max_pixels=self.max_pixels, fast=self.fast)
            for content in self.images.read(names)
        ]


Result = TypeVar("Result")  # of one image
Task = Callable[[Sequence[str]], list[Result]]


class Decoder(Generic[Result]):
    """Decoding processes; with 0 workers, this process decodes when asked; without task, none."""

    def __init__(self, task: Task[Result] | None, *, workers: int) -> None:
        self._task = task
        self._n_workers = 0 if task is None else _share_of_cores() if workers < 0 else workers
        self._workers: list[tuple[subprocess.Popen[bytes], Connection]] = []
        self._is_reading = False  # what was asked before has not all been taken

    def __enter__(self) -> Self:
        self._workers = [self._start() for _ in range(self._n_workers)]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def decode(self, names: Sequence[str]) -> Iterator[Result]:
        """Yield one result per name, in order.

        Raises `ExtractError` where a process dies or the images are out of reach.
        """
        chunks = [names[i : i + CHUNK] for i in range(0, len(names), CHUNK)]
        if not self._workers:
            for chunk in chunks:
                assert self._task is not None, "without a task nothing is asked for"
                yield from self._task(chunk)
            return
        if self._is_reading:
            self._stop()
            self._workers = [self._start() for _ in range(self._n_workers)]
        self._is_reading = True
        try:
            yield from self._decode_ahead(chunks)
            self._is_reading = False
        except (EOFError, ConnectionError) as error:
            raise ExtractError(
                "decoding must not run out of memory",
                "a decoding process has died",
                "use fewer --workers or a smaller --max-pixels, and run the same command again",
            ) from error

    def _decode_ahead(self, chunks: Sequence[Sequence[str]]) -> Iterator[Result]:
        """Chunk i goes to process i modulo their number, so that the order is known."""
        pipes = [pipe for _, pipe in self._workers]
        sent = enumerate(chunks)
        for i, chunk in islice(sent, len(pipes) * AHEAD):
            pipes[i % len(pipes)].send(chunk)
        for done in range(len(chunks)):
            decoded: list[Result] | MmfeatError = pipes[done % len(pipes)].recv()
            if isinstance(decoded, MmfeatError):
                raise decoded
            for i, chunk in islice(sent, 1):
                pipes[i % len(pipes)].send(chunk)
            yield from decoded

    def _stop(self) -> None:
        for process, pipe in self._workers:
            pipe.close()
            process.kill()
        for process, _ in self._workers:
            process.wait()

    def _start(self) -> tuple[subprocess.Popen[bytes], Connection]:
        ours, theirs = Pipe()
        command = [sys.executable, "-P", "-c", PROGRAM, str(theirs.fileno()), json.dumps(sys.path)]
        process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # threads that nothing would use
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # libtiff and others talk about broken files
            start_new_session=True,  # Ctrl-C is for the main process
        )
        theirs.close()
        ours.send(self._task)
        return process, ours


def _share_of_cores() -> int:
    """One process per core, of those that the processes of torchrun leave to each other."""
    n_beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(min((os.cpu_count() or 1) // n_beside, MOST_WORKERS), 1)


def serve(descriptor: int) -> None:
    """Decode what the parent sends until it closes the pipe; runs in a process of its own."""
    pipe = Connection(descriptor)
    try:
        task: Task[Any] = pipe.recv()
        while True:
            names: Sequence[str] = pipe.recv()
            try:
                pipe.send(task(names))
            except MmfeatError as error:
                pipe.send(error)
    except (EOFError, ConnectionError):
        return
