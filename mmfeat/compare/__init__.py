"""Comparing heads, fusions and losses: the plan of cells, their order, and their execution."""

from mmfeat.compare.cells import Event
from mmfeat.compare.plan import Comparison, describe, plan_comparison
from mmfeat.compare.run import Outcome, run_cells, seconds_of

__all__ = [
    "Comparison",
    "Event",
    "Outcome",
    "describe",
    "plan_comparison",
    "run_cells",
    "seconds_of",
]
