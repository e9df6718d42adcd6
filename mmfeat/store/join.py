"""Several feature sets of one split, joined by id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmfeat.errors import StoreError
from mmfeat.store.reader import FeatureStore
from mmfeat.types import Features


def read_features(paths: Sequence[Path]) -> Features:
    """Read one or several stores of the same rows; each store is one part of each modality.

    Rows stand in the order of the first store. Raises `StoreError` where ids or labels differ.
    """
    parts: list[Features] = []
    for path in paths:
        with FeatureStore.open(path) as store:
            parts.append(store.features())
    first = parts[0]
    aligned = [first]
    for path, part in zip(paths[1:], parts[1:], strict=True):
        aligned.append(_align(part, path, first, paths[0]))
    labelled = next((part for part in aligned if part.targets is not None), first)
    return Features(
        ids=first.ids,
        image=tuple(array for part in aligned for array in part.image),
        text=tuple(array for part in aligned for array in part.text),
        targets=labelled.targets,
        labels=labelled.labels,
        prompts=tuple(array for part in aligned for array in part.prompts)
        if all(part.prompts for part in aligned)
        else (),
    )


def _align(part: Features, path: Path, first: Features, first_path: Path) -> Features:
    """Put `part` in the order of `first`."""
    if part.ids == first.ids:
        rows = None
    else:
        row_of = {id_: row for row, id_ in enumerate(part.ids)}
        differing = [
            *(id_ for id_ in first.ids if id_ not in row_of),
            *sorted(set(part.ids) - set(first.ids)),
        ]
        if differing:
            raise StoreError(
                "feature sets that are joined must hold the same ids",
                f"{len(differing)} ids are not in both {first_path} and {path},"
                f" e.g. {', '.join(map(repr, differing[:3]))}",
                "extract both from the same table",
            )
        rows = np.array([row_of[id_] for id_ in first.ids])
    moved = part if rows is None else part.take(rows)
    if moved.targets is None or first.targets is None:
        return moved
    if moved.labels != first.labels or not np.array_equal(moved.targets, first.targets):
        raise StoreError(
            "feature sets that are joined must have the same labels",
            f"those of {first_path} and {path} differ",
            "extract both from the same table",
        )
    return moved
