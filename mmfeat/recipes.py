"""Recipes: settings of a fit that go together, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What `--recipe` sets; `--set` overrides its settings one by one."""

    summary: str
    head: str
    fusion: str
    loss: str
    settings: Mapping[str, str]


RECIPES: dict[str, Recipe] = {}
