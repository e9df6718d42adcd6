"""What the cells of a comparison learn from: each of its feature sets, on the same rows and folds.

Cells are compared in pairs, so that the folds must be the same for all. They follow from the ids,
the targets and the related rows. Near-copies are looked for once, in the set of these rows that was
fitted or compared first (`mmfeat.near.kept`), and hold for every set. All else that relates rows
comes from the table, and must be alike in all stores.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError, counted
from mmfeat.fit.training_data import Stores, Training
from mmfeat.runs.config import FeatureSets, name_sets

SAME_TABLE = "extract both from the same table with the same columns"


def load_trainings(workspace: Workspace, stores: Sequence[Stores]) -> dict[FeatureSets, Training]:
    """Read each of `stores` once, by its feature sets.

    Raises `FitError` where their rows, labels or folds are not the same.
    """
    found = {each.features: each.load(workspace) for each in stores}
    first, *others = found
    for other in others:
        _check_alike(found[first], found[other], names=(name_sets(first), name_sets(other)))
    return found


def _check_alike(first: Training, other: Training, *, names: tuple[str, str]) -> None:
    one, two = first.features, other.features
    where = f"{names[0]} and {names[1]}"
    if one.ids != two.ids:
        differing = sorted(set(one.ids) ^ set(two.ids))
        told = (
            f"{counted(len(differing), 'id is', 'ids are')} not in both {where},"
            f" e.g. {', '.join(map(repr, differing[:3]))}"
            if differing
            else f"{where} have them in another order"
        )
        raise FitError(
            "feature sets that are compared must have the same rows in the same order",
            told,
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
