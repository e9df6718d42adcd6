"""The order of cells: cheap ones first, and among equally cheap ones the most promising.

The cost of a cell is estimated from the finished cells of its head: seconds grow with the number
of modalities that its heads read. Without a finished cell, the head's `relative_cost` is used. A
late fusion comes after its sources, which cost nothing once their cells are finished. The promise
of a cell is the mean score of the finished cells with its head, its fusion or its feature sets.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean, median

from mmfeat.core.plugins import resolve
from mmfeat.fit.fusion import (
    LateFusion,
    get_fusion,
    get_matrix_fusion,
    possible_sources,
    sources_of,
)
from mmfeat.fit.heads import HEADS
from mmfeat.runs.config import FeatureSets, RunConfig, name_sets

COMBINING = 0.1  # work of a stacker on existing scores, in modalities
ALL_MODALITIES = 2  # assumed number of modalities for a fusion of all of them
EQUALLY_CHEAP = 1.25  # times what the cheapest cell costs

Cell = tuple[FeatureSets, str, str, str | None, int]


class Order:
    """The cells still to run, and estimates from the finished ones."""

    def __init__(self, cells: Sequence[RunConfig]) -> None:
        self.waiting = list(cells)
        self.lost: list[RunConfig] = []  # of a race: what is no longer worth its time
        self._rates: dict[str, list[float]] = defaultdict(list)  # head -> seconds per unit of work
        self._scores: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._finished: dict[Cell, tuple[float, float]] = {}  # its score, the low end of that

    def learn(
        self, cell: RunConfig, *, seconds: float, score: float, low: float = math.nan
    ) -> None:
        """Record the cost and the score of a finished cell, and where its interval begins."""
        if not _is_late(cell):  # the sources of a late fusion may have been finished earlier
            self._rates[cell.head].append(seconds / work_of(cell))
        key = cell.features, cell.head, cell.fusion, cell.loss, cell.seed
        self._finished[key] = score, low
        for part in _parts(cell):
            self._scores[part].append(score)

    def seconds(self, cell: RunConfig) -> float | None:
        """The estimated duration of the cell; None before any cell is finished."""
        work = self._work(cell)
        if self._rates[cell.head]:
            return median(self._rates[cell.head]) * work
        known = [
            rate / relative_cost(head) for head, rates in self._rates.items() for rate in rates
        ]
        if not known:
            return None
        return median(known) * relative_cost(cell.head) * work

    def take(self, *, seconds_left: float = math.inf) -> RunConfig | None:
        """Remove the next cell that fits into the time left, and return it; None if none does."""
        fitting = [cell for cell in self.waiting if (self.seconds(cell) or 0.0) <= seconds_left]
        if not fitting:
            return None
        chosen = self._best_of(fitting)
        self.waiting.remove(chosen)
        return chosen

    def _work(self, cell: RunConfig) -> float:
        """The remaining work of a cell, in modalities read."""
        if not _is_late(cell):
            return work_of(cell)
        missing = [s for s in sources_of(cell.fusion) if not self._has(cell, s)]
        return sum(work_of(replace(cell, fusion=source)) for source in missing) or COMBINING

    def _has(self, cell: RunConfig, source: str) -> bool:
        losses = (cell.loss, None)  # a stacker may have a loss though the heads have none
        return any(
            (cell.features, cell.head, source, loss, cell.seed) in self._finished for loss in losses
        )

    def _comes_later(self, cell: RunConfig) -> bool:
        """Whether a source of the cell is waiting as a cell of its own."""
        sources = possible_sources(cell.fusion)
        return _is_late(cell) and any(
            (other.features, other.head, other.seed) == (cell.features, cell.head, cell.seed)
            and other.loss in (cell.loss, None)
            and other.fusion in sources
            for other in self.waiting
        )

    def _best_of(self, cells: Sequence[RunConfig]) -> RunConfig:
        """The most promising of the cheapest cells, with no seed before the first of every cell."""
        turns = [(cell.seed, self._comes_later(cell)) for cell in cells]
        cells = [cell for cell, turn in zip(cells, turns, strict=True) if turn == min(turns)]
        return self._most_promising(cells, [self._cost(cell) for cell in cells])

    def _cost(self, cell: RunConfig) -> float:
        """The cost of a cell, in seconds as soon as any is known."""
        return self.seconds(cell) or relative_cost(cell.head) * self._work(cell)

    def _most_promising(self, cells: Sequence[RunConfig], costs: Sequence[float]) -> RunConfig:
        """The next of cells that may come next, with their costs."""
        promises = [
            (self._promise(cell) if cost <= EQUALLY_CHEAP * min(costs) else -math.inf, -cost)
            for cell, cost in zip(cells, costs, strict=True)
        ]
        return cells[promises.index(max(promises))]

    def _promise(self, cell: RunConfig) -> float:
        found = [mean(scores) for part in _parts(cell) if (scores := self._scores[part])]
        return mean(found) if found else 0.0


def work_of(cell: RunConfig) -> int:
    """The number of modalities that the heads of a cell read in total, in each feature set."""
    named = [get_matrix_fusion(source).modalities for source in sources_of(cell.fusion)]
    read = sum(ALL_MODALITIES if modalities is None else len(modalities) for modalities in named)
    return read * max(len(cell.features), 1)


def _parts(cell: RunConfig) -> tuple[tuple[str, str], ...]:
    """What the promise of a cell is estimated from."""
    return ("head", cell.head), ("fusion", cell.fusion), ("features", name_sets(cell.features))


def _is_late(cell: RunConfig) -> bool:
    return isinstance(get_fusion(cell.fusion), LateFusion)


def relative_cost(head: str) -> float:
    """The cost of fitting this head relative to logistic regression."""
    cost: float = resolve(head, HEADS, "head").relative_cost
    return cost
