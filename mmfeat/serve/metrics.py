"""What Prometheus is told of a service."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters of one service; `waiting` gives the rows in its queue."""

    def __init__(self, waiting: Callable[[], float]) -> None:
        here = self._registry = CollectorRegistry()
        self.requests = Counter(
            "mmfeat_requests", "Requests by route and status.", ["route", "status"], registry=here
        )
        self.seconds = Histogram(
            "mmfeat_request_seconds", "Time to answer.", ["route"], buckets=SECONDS, registry=here
        )
        self.batches = Histogram(
            "mmfeat_batch_rows", "Rows that were encoded together.", buckets=ROWS, registry=here
        )
        queue = Gauge("mmfeat_queue_rows", "Rows that are read, decoded or waiting.", registry=here)
        queue.set_function(waiting)

    def text(self) -> bytes:
        """The metrics in the text format of Prometheus."""
        return generate_latest(self._registry)
