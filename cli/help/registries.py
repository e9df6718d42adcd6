"""What there is to choose from: the registries of the library by what `mmfeat list` calls them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from importlib import import_module
from typing import Any


class Kind(StrEnum):
    """What can be listed."""

    heads = "heads"
    fusions = "fusions"
    losses = "losses"
    encoders = "encoders"
    formats = "formats"
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
    Kind.formats: "mmfeat.convert:FORMATS",
    Kind.engines: "mmfeat.extract:ENGINES",
    Kind.recipes: "mmfeat.fit.recipes:RECIPES",
    Kind.objectives: "mmfeat.decide.thresholds:OBJECTIVES",
    Kind.methods: "mmfeat.decide.thresholds:METHODS",
    Kind.metrics: "mmfeat.metrics:METRICS",
    Kind.trackers: "mmfeat.tracking:TRACKERS",
}


def registry(kind: Kind) -> Mapping[str, Any]:
    """The registry of a kind; each entry has a `summary`."""
    module, attr = REGISTRIES[kind].split(":")
    entries: Mapping[str, Any] = getattr(import_module(module), attr)
    return entries
