"""Completion in a shell: what there is to choose from, in a registry or in the workspace.

A shell asks while somebody types, so no file is read: names are those of files and folders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import typer

from mmfeat.core.workspace import Workspace, open_project
from mmfeat.errors import MmfeatError
from mmfeat_cli.help.registries import Kind, registry

Complete = Callable[[typer.Context, str], list[str]]


def one_of(names: Iterable[str]) -> Complete:
    """Completes one of `names`, or the last of several that commas separate."""

    def complete(context: typer.Context, incomplete: str) -> list[str]:
        return _begun(names, incomplete)

    return complete


def _registered(kind: str) -> Complete:
    def complete(context: typer.Context, incomplete: str) -> list[str]:
        return _begun(registry(Kind(kind)), incomplete)

    return complete


def _of_workspace(names_in: Callable[[Workspace], Iterable[str]]) -> Complete:
    def complete(context: typer.Context, incomplete: str) -> list[str]:
        given: Path | None = context.params.get("workspace")
        try:
            return _begun(names_in(open_project(given)[1]), incomplete)
        except MmfeatError:  # the command itself says what is wrong with mmfeat.toml
            return []

    return complete


def _runs(space: Workspace) -> list[str]:
    from mmfeat.runs.listing import list_runs

    return [run.name for run in list_runs(space)]


def _splits(space: Workspace) -> set[str]:
    from mmfeat.store.missing import sets_of, splits_of

    folder = space.features
    return {split for name in ("", *sets_of(folder)) for split in splits_of(folder / name)}


def _feature_sets(space: Workspace) -> tuple[str, ...]:
    from mmfeat.store.missing import sets_of

    return sets_of(space.features)


def _begun(names: Iterable[str], incomplete: str) -> list[str]:
    before, comma, begun = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in names if name.startswith(begun)]


# By the name of a command's parameter.
COMPLETED: dict[str, Complete] = {
    **dict.fromkeys(("run", "runs", "old", "new"), _of_workspace(_runs)),
    **dict.fromkeys(("split", "store", "validation", "against"), _of_workspace(_splits)),
    "features": _of_workspace(_feature_sets),
    **dict.fromkeys(("head", "heads"), _registered("heads")),
    **dict.fromkeys(("fusion", "fusions"), _registered("fusions")),
    **dict.fromkeys(("loss", "losses"), _registered("losses")),
    "objective": _registered("objectives"),
    "method": _registered("methods"),
    "recipe": _registered("recipes"),
    "track": _registered("trackers"),
}
