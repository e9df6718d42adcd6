"""Executors on this machine: this process, or several processes that share the cores."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Protocol

from mmfeat.compare.cells import Event, run_cell
from mmfeat.compare.trainings import load_trainings
from mmfeat.config import ThresholdSettings
from mmfeat.core.memory import collect_rarely
from mmfeat.core.parallel import end_with_parent, spawning, uninterrupted, without_main
from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError
from mmfeat.fit.training_data import Stores
from mmfeat.runs.config import RunConfig

log = logging.getLogger(__name__)


class Executor(Protocol):
    """Runs cells; each of its processes reads the stores once."""

    @property
    def is_free(self) -> bool:
        """Whether another cell can be started."""

    @property
    def is_busy(self) -> bool:
        """Whether a cell is running."""

    def start(self, cell: RunConfig, *, deadline: float) -> None:
        """Start a cell."""

    def wait(self) -> Event:
        """Wait for the next event of a running cell."""


class SerialExecutor:
    """Runs one cell after another in this process."""

    def __init__(
        self,
        workspace: Workspace,
        stores: Sequence[Stores],
        *,
        aim: ThresholdSettings,
        report: Callable[[Event], None],
    ) -> None:
        self._workspace, self._aim, self._report = workspace, aim, report
        self._trainings = load_trainings(workspace, stores)
        self._next: tuple[RunConfig, float] | None = None

    @property
    def is_free(self) -> bool:
        return self._next is None

    @property
    def is_busy(self) -> bool:
        return self._next is not None

    def start(self, cell: RunConfig, *, deadline: float) -> None:
        self._next = cell, deadline

    def wait(self) -> Event:
        assert self._next is not None, "a cell was started"
        (cell, deadline), self._next = self._next, None
        return run_cell(
            self._workspace,
            cell,
            self._trainings[cell.features],
            aim=self._aim,
            deadline=deadline,
            report=self._report,
        )


class Workers:
    """Runs cells in parallel, each in a process of its own."""

    def __init__(self, connections: Sequence[tuple[SpawnProcess, Connection]]) -> None:
        self._free = list(connections)
        self._busy: dict[Connection, tuple[SpawnProcess, RunConfig]] = {}

    @property
    def is_free(self) -> bool:
        return bool(self._free)

    @property
    def is_busy(self) -> bool:
        return bool(self._busy)

    def start(self, cell: RunConfig, *, deadline: float) -> None:
        process, connection = self._free.pop()
        self._busy[connection] = process, cell
        connection.send((cell, deadline))

    def wait(self) -> Event:
        connection = wait(list(self._busy))[0]
        assert isinstance(connection, Connection), "only connections are waited for"
        process, cell = self._busy[connection]
        try:
            event: Event = connection.recv()
        except (EOFError, ConnectionError):
            process.join()
            del self._busy[connection]
            raise FitError(
                "a process of a comparison must stay alive until its cells are finished",
                f"that of {cell.head} × {cell.fusion} ended with status {process.exitcode}",
                "if memory ran out, use fewer --jobs; the same command continues with the rest",
            ) from None
        if event.state != "running":
            del self._busy[connection]
            self._free.append((process, connection))
        return event


@contextmanager
def make_local(
    workspace: Workspace,
    stores: Sequence[Stores],
    *,
    aim: ThresholdSettings,
    jobs: int,
    report: Callable[[Event], None],
    address: str | None = None,
) -> Iterator[Executor]:
    """Give an executor of `jobs` processes, at most one per core, for the stores.

    `address` is ignored; executors of a cluster use it.
    """
    n_cores = len(os.sched_getaffinity(0))
    if jobs > n_cores:
        log.warning("only %d cells run at a time, one per core, instead of %d", n_cores, jobs)
    jobs = min(jobs, n_cores)
    if jobs <= 1:
        yield SerialExecutor(workspace, stores, aim=aim, report=report)
        return
    load_trainings(workspace, stores)  # raises an error in the stores before any process starts
    members: list[tuple[SpawnProcess, Connection]] = []
    try:
        threads = _threads(max(1, n_cores // jobs))
        with spawning() as context, without_main(), threads, uninterrupted():
            for _ in range(jobs):
                ours, theirs = context.Pipe()
                process = context.Process(
                    target=_work, args=(theirs, workspace, stores, aim), daemon=True
                )
                process.start()
                theirs.close()
                members.append((process, ours))
        yield Workers(members)
    finally:
        for process, connection in members:
            connection.close()
            process.terminate()  # fitted heads are kept
            process.join()


def _work(
    connection: Connection,
    workspace: Workspace,
    stores: Sequence[Stores],
    aim: ThresholdSettings,
) -> None:
    """Run cells received from the connection and send events, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process decides
    end_with_parent()
    collect_rarely()
    trainings = load_trainings(workspace, stores)
    while True:
        try:
            cell, deadline = connection.recv()
            connection.send(
                run_cell(
                    workspace,
                    cell,
                    trainings[cell.features],
                    aim=aim,
                    deadline=deadline,
                    report=connection.send,
                )
            )
        except (EOFError, ConnectionError):
            return


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Limit the threads of processes started inside the context to `number` each."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(number)
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
