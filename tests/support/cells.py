"""The cells of small comparisons."""

from __future__ import annotations

from typing import Any

from mmfeat.compare import plan_comparison
from mmfeat.config import FitSettings
from mmfeat.runs.config import RunConfig

OPTIONS = FitSettings(folds=3)


def cells_of(*heads: str, fusions: tuple[str, ...] = ("image",), **more: Any) -> list[RunConfig]:
    """The cells of a comparison with one loss."""
    plan = plan_comparison(OPTIONS, heads=heads, fusions=fusions, losses=("bce",), **more)
    return list(plan.cells)
