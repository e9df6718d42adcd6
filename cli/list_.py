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
    engines = "engines"
    recipes = "recipes"
    objectives = "objectives"
    methods = "methods"
    metrics = "metrics"
    trackers = "trackers"


REGISTRIES = {
    Kind.heads: "mmfeat.fit.models.model:FITTED",
    Kind.fusions: "mmfeat.fit.fusion:FUSIONS",
    Kind.losses: "mmfeat.fit.losses:LOSSES",
    Kind.encoders: "mmfeat.extract.encoders:ENCODERS",
    Kind.engines: "mmfeat.extract:ENGINES",
    Kind.recipes: "mmfeat.fit.recipes:RECIPES",
    Kind.objectives: "mmfeat.decide.thresholds:OBJECTIVES",
    Kind.methods: "mmfeat.decide.thresholds:METHODS",
    Kind.metrics: "mmfeat.metrics:METRICS",
    Kind.trackers: "mmfeat.tracking:TRACKERS",
}


def registry(kind: Kind) -> Mapping[str, Any]:
    """The registry of a kind; each entry has a `summary`."""
    from importlib import import_module

    module, attr = REGISTRIES[kind].split(":")
    entries: Mapping[str, Any] = getattr(import_module(module), attr)
    return entries


def list_(kind: Annotated[Kind, typer.Argument(help="What to list.")]) -> None:
    """List what there is to choose from, one line each."""
    entries = registry(kind)
    width = max(len(name) for name in entries)
    for name, entry in entries.items():
        print(f"{name:<{width}}  {entry.summary}")
