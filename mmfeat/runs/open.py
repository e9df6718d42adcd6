"""Stores and runs of a workspace, by name."""

from __future__ import annotations

from pathlib import Path

from mmfeat.core.checks import check_arguments
from mmfeat.core.workspace import open_project
from mmfeat.runs.listing import find_run
from mmfeat.runs.run import Run
from mmfeat.store import FeatureStore
from mmfeat.store.parts import SUFFIX, find_store


@check_arguments
def open_store(
    split: Path | str, *, features: str | None = None, workspace: Path | str | None = None
) -> FeatureStore:
    """Open a feature store, by the name of its split or by its path; use it in a `with` statement.

    Raises `StoreError` where it is missing or damaged.
    """
    return FeatureStore.open(path_of_store(split, features=features, workspace=workspace))


def path_of_store(
    split: Path | str, *, features: str | None = None, workspace: Path | str | None = None
) -> Path:
    """Path of a feature store that is named by its split, or by a path, which is given back.

    A plain word is a split, unless the workspace has none of that name and it is a path that
    exists.
    """
    if isinstance(split, Path) or "/" in split or split.endswith(SUFFIX):
        return Path(split)
    path = open_project(workspace)[1].store(split, features)
    is_path = find_store(path) is None and features is None and Path(split).exists()
    return Path(split) if is_path else path


@check_arguments
def open_run(
    name: str | None = None,
    *,
    tuned: bool = False,
    objective: str | None = None,
    workspace: Path | str | None = None,
) -> Run:
    """Open the finished run `name`, or that which a command takes where none is named.

    With `tuned`, one that has thresholds; with `objective`, rather the best by that.

    Raises `RunError` where there is none, or where it is not finished.
    """
    return find_run(open_project(workspace)[1], name, tuned=tuned, objective=objective)
