"""The cells of small comparisons, and the plans of small searches."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mmfeat.compare import plan_comparison
from mmfeat.config import FitSettings
from mmfeat.fit.plan import plan_run
from mmfeat.runs.config import RunConfig

if TYPE_CHECKING:
    from mmfeat.compare.search.trials import SearchPlan

OPTIONS = FitSettings(folds=3)
START = plan_run(FitSettings(head="knn", folds=3))


def cells_of(*heads: str, fusions: tuple[str, ...] = ("image",), **more: Any) -> list[RunConfig]:
    """The cells of a comparison with one loss."""
    plan = plan_comparison(OPTIONS, heads=heads, fusions=fusions, losses=("bce",), **more)
    return list(plan.cells)


def plan(**settings: str) -> SearchPlan:
    """The plan of a search that starts at the settings of `START` with these changes."""
    from mmfeat.compare.search.trials import plan_search  # noqa: PLC0415 - needs optuna

    return plan_search(replace(START, settings=settings), objective="samples-f1")
