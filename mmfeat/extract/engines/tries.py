"""Attempts per shard: Ray would reassign a shard that kills its workers forever."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mmfeat.errors import ExtractError

TRIES = 3  # per shard


class Tries:
    """An actor that records the attempts."""

    def __init__(self) -> None:
        self._begun: dict[int, list[tuple[int, str]]] = {}

    def begin(self, shard: int, pid: int, host: str) -> list[tuple[int, str]]:
        """Record that a process begins a shard; return those that began it before and died."""
        died = self.begun(shard)
        self._begun[shard] = [*died, (pid, host)]
        return died

    def begun(self, shard: int) -> list[tuple[int, str]]:
        """The processes that began a shard, and their hosts."""
        return self._begun.get(shard, [])


@contextmanager
def counting_tries() -> Iterator[Any]:
    """Yield the handle of a new `Tries` on this machine; it ends with the block."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    tries = ray.remote(num_cpus=0, scheduling_strategy=here)(Tries).remote()
    try:
        yield tries
    finally:
        ray.kill(tries)


def begin(tries: Any, shard: int) -> None:
    """Record that this process begins a shard; raise `ExtractError` after too many that died."""
    died = ray.get(tries.begin.remote(shard, os.getpid(), socket.gethostname()))
    if len(died) >= TRIES:
        told = ", ".join(f"process {pid} on {host}" for pid, host in died)
        raise ExtractError(
            "a worker must survive its shard",
            f"{len(died)} died: {told}",
            "if memory ran out, use a smaller --batch-size, --max-pixels or --shard-rows",
        )
