"""The options of the verbs of stage two, as types: the fields of their settings, None: not given.

A test holds them to `mmfeat.config`, which has their defaults.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict


class FoldOptions(TypedDict, total=False):
    """What all runs of a comparison share, of `FitSettings`."""

    folds: int | None
    seed: int | None
    max_memory: str | None
    exclude_labels: Sequence[str] | None
    min_positives: int | None
    near_copies: str | None
    unknown: str | None
    fold_by: str | None
    validation: str | None


class FitOptions(FoldOptions, total=False):
    """`FitSettings` without the split."""

    head: str | None
    fusion: str | None
    loss: str | None
