"""What the cells of a comparison learn from: each of its feature sets, on the same rows and folds.

Cells are compared in pairs, so that the folds must be the same for all. They follow from the ids,
the targets and the related rows. Near-copies are looked for once, in the set of these rows that was
fitted or compared first (`mmfeat.near.kept`), and hold for every set. All else that relates rows
comes from the table, and must be alike in all stores. Rows that only some sets have are rows of
all cells: a set that lacks them has no embedding there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError
from mmfeat.fit.training_data import Stores, Training
from mmfeat.runs.config import FeatureSets, RunConfig, name_sets
from mmfeat.store import open_features

SAME_TABLE = "extract both from the same table with the same columns"


def on_all_rows(workspace: Workspace, cells: Sequence[RunConfig]) -> list[RunConfig]:
    """Give the cells with the rows of all their feature sets.

    A cell stays as it is where its own sets have them all.
    """
    compared = tuple(dict.fromkeys(cell.features for cell in cells))
    names = tuple(dict.fromkeys(name for sets in compared for name in sets or ("",)))
    splits = list(filter(None, (cells[0].split, cells[0].validation))) if compared[1:] else []
    lacking = set()
    for split in splits:
        everything = _ids(workspace, split, names)
        own = {sets: _ids(workspace, split, sets) for sets in compared}
        if any(len(ids) != len(everything) for ids in own.values()):
            lacking |= {sets for sets, ids in own.items() if ids != everything}
    return [
        replace(cell, beside=tuple(n for n in names if n not in (cell.features or ("",))))
        if cell.features in lacking
        else cell
        for cell in cells
    ]


def load_trainings(workspace: Workspace, stores: Sequence[Stores]) -> dict[FeatureSets, Training]:
    """Read each of `stores` once, by its feature sets; see `on_all_rows`.

    Raises `FitError` where their rows, labels or folds are not the same.
    """
    whole_first = sorted(stores, key=lambda each: bool(each.beside))  # to look for near-copies
    found = {each.features: each.load(workspace) for each in whole_first}
    first, *others = found
    for other in others:
        _check_alike(found[first], found[other], names=(name_sets(first), name_sets(other)))
    return found


def _ids(workspace: Workspace, split: str, names: FeatureSets) -> Sequence[str]:
    with open_features(workspace.stores(split, names), any_order=True) as rows:
        return rows.ids


def _check_alike(first: Training, other: Training, *, names: tuple[str, str]) -> None:
    one, two = first.features, other.features
    where = f"{names[0]} and {names[1]}"
    if one.ids != two.ids:
        raise FitError(
            "feature sets that are compared must have their rows in the same order",
            f"{where} have them in another order",
            SAME_TABLE,
        )
    if one.labels != two.labels or not np.array_equal(first.targets, other.targets):
        raise FitError(
            "feature sets that are compared must have the same labels",
            f"those of {where} differ",
            SAME_TABLE,
        )
    alike = {
        "the column of folds": (first.fold_names, other.fold_names),
        "the column of times": (first.times, other.times),
        "the rows of --validation": (first.judging, other.judging),
        "the related rows": (one.groups, two.groups),
    }
    for what, (mine, theirs) in alike.items():
        if (mine is None) != (theirs is None) or not np.array_equal(mine, theirs):  # type: ignore[arg-type]
            raise FitError(
                "feature sets that are compared must have the same folds",
                f"{what} of {where} differ",
                SAME_TABLE,
            )
