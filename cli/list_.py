"""`mmfeat list`: what there is to choose from, one line each."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer


class Kind(StrEnum):
    """What can be listed."""

    heads = "heads"
    fusions = "fusions"
    losses = "losses"
    encoders = "encoders"
    recipes = "recipes"
    objectives = "objectives"
    methods = "methods"
    metrics = "metrics"


def registry(kind: Kind) -> Mapping[str, Any]:
    """The registry of a kind; each entry has a `summary`."""
    match kind:
        case Kind.heads:
            from mmfeat.heads import HEADS

            return HEADS
        case Kind.fusions:
            from mmfeat.fusion import FUSIONS

            return FUSIONS
        case Kind.losses:
            from mmfeat.losses import LOSSES

            return LOSSES
        case Kind.encoders:
            from mmfeat.encoders import ENCODERS

            return ENCODERS
        case Kind.recipes:
            from mmfeat.recipes import RECIPES

            return RECIPES
        case Kind.objectives:
            from mmfeat.thresholds import OBJECTIVES

            return OBJECTIVES
        case Kind.methods:
            from mmfeat.thresholds import METHODS

            return METHODS
        case Kind.metrics:
            from mmfeat.metrics import METRICS

            return METRICS


def list_(kind: Annotated[Kind, typer.Argument(help="What to list.")]) -> None:
    """List what there is to choose from, one line each."""
    entries = registry(kind)
    width = max(len(name) for name in entries)
    for name, entry in entries.items():
        print(f"{name:<{width}}  {entry.summary}")
