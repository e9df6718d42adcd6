"""The race of the cells of a sketch: those that stay far behind the first three are left out.

Heads come one after another, the cheap ones first, and each begins with the features and the fusion
that were best so far. What it will reach with others is estimated from its finished cells: another
head that finished both says what the change is worth. The most hopeful of all such estimates
counts, and a cell has lost where it lies below the interval of the third best cell. So every head
is tried once; a head for which other features are the best ones than for all others is missed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmfeat.compare.order import Order
from mmfeat.runs.config import FeatureSets, RunConfig

PLACES = 3
LOST = f"a sketch leaves out what, by its finished cells, stays far behind the first {PLACES}"

Runner = tuple[str, str | None]  # a head and its loss
Course = tuple[str, FeatureSets]  # a fusion of feature sets


class Race(Order):
    """The order of a sketch's cells, without those that have `lost`."""

    def take(self, *, seconds_left: float = math.inf) -> RunConfig | None:
        """Leave out what has lost, then take the next cell as `Order.take` does."""
        lost = [cell for cell in self.waiting if self._is_lost(cell)]
        self.lost += lost
        self.waiting = [cell for cell in self.waiting if cell not in lost]
        return super().take(seconds_left=seconds_left)

    def _is_lost(self, cell: RunConfig) -> bool:
        hopes = self._hopes(cell)
        if len(self._finished) < PLACES or not hopes:
            return False
        _, low = sorted(self._finished.values(), reverse=True)[PLACES - 1]
        return max(hopes) < low

    def _hopes(self, cell: RunConfig) -> list[float]:
        """What each pair of a finished cell of the same head and another head lets expect."""
        scores = self._scores_by_head()
        course = _course(cell.fusion, cell.features)
        return [
            score + others[course] - others[known]
            for known, score in scores.get((cell.head, cell.loss), {}).items()
            for others in scores.values()
            if course in others and known in others
        ]

    def _scores_by_head(self) -> dict[Runner, dict[Course, float]]:
        found: dict[Runner, dict[Course, float]] = {}
        for (features, head, fusion, loss, _), (score, _) in self._finished.items():
            found.setdefault((head, loss), {})[_course(fusion, features)] = score
        return found

    def _most_promising(self, cells: Sequence[RunConfig], costs: Sequence[float]) -> RunConfig:
        """The cell of the cheapest head whose features and fusion were best with any head."""
        cheapest = cells[costs.index(min(costs))]
        of_head = [c for c in cells if (c.head, c.loss) == (cheapest.head, cheapest.loss)]
        return max(of_head, key=self._best_on)  # the first of equal ones

    def _best_on(self, cell: RunConfig) -> float:
        """The best score with the features and the fusion of a cell."""
        course = _course(cell.fusion, cell.features)
        found = [scores[course] for scores in self._scores_by_head().values() if course in scores]
        return max(found, default=-math.inf)


def _course(fusion: str, features: FeatureSets) -> Course:
    return fusion, features
