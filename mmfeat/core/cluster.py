"""A Ray cluster: joining one, and dividing its CPUs and GPUs among workers."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray
from ray.exceptions import RayError, RayTaskError

from mmfeat.core.files import away_from_data
from mmfeat.errors import ClusterError, MmfeatError

MIN_CPUS = 0.5  # per worker


@dataclass(frozen=True, kw_only=True)
class Share:
    """The CPUs and GPUs that each of `workers` processes can use at the same time."""

    workers: int
    cpus: float
    gpus: float


def join_cluster(address: str | None) -> None:
    """Join the cluster at `address` (``auto``: the one on this machine), or start a local one.

    A local one is started where neither `address` nor ``RAY_ADDRESS`` is set; it ends with this
    process. Does nothing where this process has already joined a cluster. Raises `ClusterError`
    where no cluster answers.
    """
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it warns about every actor otherwise
    address = address or os.environ.get("RAY_ADDRESS")
    begin = {} if address else {"include_dashboard": False}
    try:
        # workers look for modules first in the folder in which their driver stood now
        with _silent(), _own_sigterm(), away_from_data():
            ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL, **begin)
    except (RayError, OSError, ValueError, RuntimeError) as error:
        raise ClusterError(
            "a Ray cluster must run at --ray-address",
            f"{address or 'this machine'}: {(str(error).splitlines() or [''])[0]}",
            "start one with `ray start --head`, or omit the address",
        ) from error


def share_out(*, workers: int = 0, gpus: float = -1.0) -> Share:
    """Divide the cluster among workers; one CPU per machine stays free where it has several.

    `workers` 0 means one per `gpus`, and one per machine on a cluster without GPUs. `gpus` is
    per worker; -1 means one where the cluster has any. Raises `ClusterError` where the cluster
    is too small.
    """
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if gpus < 0:
        gpus = 1.0 if any(machine.get("GPU") for machine in machines) else 0.0

    def room(cpus: float, *, spare: int = 1) -> int:
        """The number of workers with `cpus` CPUs each that fit."""
        found = 0.0
        for machine in machines:
            most = (machine.get("CPU", 0.0) - spare) // cpus
            found += max(min(most, machine.get("GPU", 0.0) // gpus) if gpus else most, 0)
        return int(found)

    most = room(MIN_CPUS, spare=0)
    wanted = workers or (most if gpus else sum(m.get("CPU", 0.0) >= 1 for m in machines))
    if not most or wanted > most:
        each = f"{MIN_CPUS} CPUs" + (f" and {gpus:g} GPUs" if gpus else "")
        has = ", ".join(
            f"{sum(machine.get(kind, 0.0) for machine in machines):g} {kind}s"
            for kind in ("CPU", "GPU")
        )
        raise ClusterError(
            f"the cluster must have {each} on one machine for each of {max(wanted, 1)} workers",
            f"it has {has} on {len(machines)} machines, room for {most}",
            "start more machines, or ask for fewer --actors or --num-gpus-per-actor",
        )
    whole = range(int(max(machine.get("CPU", 0.0) for machine in machines)), 0, -1)
    cpus = next((float(n) for n in whole if room(n) >= wanted), MIN_CPUS)
    return Share(workers=wanted, cpus=cpus, gpus=gpus)


@contextmanager
def _silent() -> Iterator[None]:
    """Silence standard error: Ray writes to it directly, past every logger."""
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Let SIGTERM end this process as before: with Ray's handler it prints a stack and aborts."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if before is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Re-raise the error of a worker; turn the errors of Ray itself into `ClusterError`."""
    try:
        yield
    except RayError as error:
        if isinstance(error, RayTaskError) and isinstance(error.cause, MmfeatError):
            raise error.cause from None
        raise ClusterError(
            "the workers of a cluster must stay alive until they finish",
            f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[-1]}",
            "check the cluster and run the same command again: finished work is kept",
        ) from error
