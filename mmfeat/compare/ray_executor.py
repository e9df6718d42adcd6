"""An executor on a Ray cluster: every cell is a task, and each machine holds the features once."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import RayError

from mmfeat.compare.cells import Event, run_cell
from mmfeat.compare.trainings import load_trainings
from mmfeat.config import ThresholdSettings
from mmfeat.core.cluster import join_cluster, plain_errors
from mmfeat.core.workspace import Workspace
from mmfeat.fit.training_data import Stores, Training
from mmfeat.runs.config import FeatureSets, RunConfig

log = logging.getLogger(__name__)
RETRIES = 2  # of a cell whose process died; its fitted heads are kept


class Tasks:
    """Runs cells as tasks of the cluster, at most `jobs` at a time."""

    def __init__(
        self,
        workspace: Workspace,
        trainings: Mapping[FeatureSets, Training],
        *,
        aim: ThresholdSettings,
        jobs: int,
        cpus: int,
    ) -> None:
        self._workspace, self._aim = Workspace(workspace.root.resolve()), aim
        self._trainings = {sets: ray.put(training) for sets, training in trainings.items()}
        self._task: Any = ray.remote(num_cpus=cpus, max_retries=RETRIES)(_run)
        self._jobs = jobs
        self._busy: dict[Any, RunConfig] = {}

    @property
    def is_free(self) -> bool:
        return len(self._busy) < self._jobs

    @property
    def is_busy(self) -> bool:
        return bool(self._busy)

    def start(self, cell: RunConfig, *, deadline: float) -> None:
        ends = time.time() + (deadline - time.monotonic())  # wall clock, shared by machines
        training = self._trainings[cell.features]
        self._busy[self._task.remote(cell, self._workspace, training, self._aim, ends)] = cell

    def wait(self) -> Event:
        (done,), _ = ray.wait(list(self._busy))
        cell = self._busy.pop(done)
        try:
            event: Event = ray.get(done)
        except RayError as error:
            reason = (str(error).strip().splitlines() or [""])[-1]
            return Event(cell=cell, state="failed", reason=f"its task ended: {reason}")
        return replace(event, cell=cell)

    def stop(self) -> None:
        """Cancel running tasks; their fitted heads are kept."""
        for task in self._busy:
            ray.cancel(task, force=True)


def _run(
    cell: RunConfig, workspace: Workspace, training: Training, aim: ThresholdSettings, ends: float
) -> Event:
    left = ends - time.time()
    return run_cell(
        workspace,
        cell,
        training,
        aim=aim,
        deadline=time.monotonic() + left if math.isfinite(left) else math.inf,
        report=lambda event: None,
    )


@contextmanager
def make_tasks(
    workspace: Workspace,
    stores: Sequence[Stores],
    *,
    aim: ThresholdSettings,
    jobs: int,
    report: Callable[[Event], None],
    address: str | None = None,
) -> Iterator[Tasks]:
    """Give an executor on a cluster; `jobs` cells share the CPUs, 0: one cell per CPU.

    There are no events before a cell ends, so `report` is not called.
    """
    trainings = load_trainings(workspace, stores)
    join_cluster(address)
    n_cpus = max(int(ray.cluster_resources().get("CPU", 1)), 1)
    if jobs > n_cpus:
        log.warning("only %d cells run at a time, one per CPU, instead of %d", n_cpus, jobs)
    jobs = min(jobs or n_cpus, n_cpus)
    fewest = min(int(node["Resources"].get("CPU", 1)) for node in ray.nodes() if node["Alive"])
    with plain_errors():
        executor = Tasks(
            workspace,
            trainings,
            aim=aim,
            jobs=jobs,
            cpus=max(min(n_cpus // jobs, fewest), 1),
        )
        try:
            yield executor
        finally:
            executor.stop()
