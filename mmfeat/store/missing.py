"""A store that is not there: which stores there are, and which of them was meant."""

from __future__ import annotations

from pathlib import Path

from mmfeat.errors import StoreError, did_you_mean
from mmfeat.store.parts import INDEX, SUFFIX

MOST_NAMES = 8  # of splits or feature sets that an error lists
MAKE = "make it with `mmfeat extract` or `mmfeat import`"


def splits_of(folder: Path) -> tuple[str, ...]:
    """The splits that have a store in `folder`, the `features` of a workspace or a set below it."""
    if not folder.is_dir():
        return ()
    return tuple(
        sorted(
            {path.stem for path in folder.glob(f"*{SUFFIX}") if path.is_file()}
            | {path.parent.name for path in folder.glob(f"*/{INDEX}")}
        )
    )


def sets_of(folder: Path) -> tuple[str, ...]:
    """The named feature sets in `folder`, the `features` of a workspace."""
    if not folder.is_dir():
        return ()
    whole = splits_of(folder)
    below = (path for path in folder.iterdir() if path.is_dir() and path.name not in whole)
    return tuple(sorted(path.name for path in below if splits_of(path)))


def has_stores(folder: Path) -> bool:
    """Whether there is a store in `folder`, the `features` of a workspace, or in a set below it."""
    return bool(splits_of(folder) or sets_of(folder))


def missing_store(path: Path) -> StoreError:
    """The error that says which stores there are instead of that at `path`."""
    rule = "the feature store must exist"
    if path.is_dir():
        return StoreError(rule, f"{path} is a folder", MAKE)
    folder = path.parent
    splits = splits_of(folder)
    if splits:
        found = f"{path} is not, only {_listed('split', splits)}"
        return StoreError(rule, found, did_you_mean(path.stem, splits, MAKE))
    sets = sets_of(folder.parent) if path.suffix == SUFFIX else ()
    if sets and folder.name not in sets:
        found = f"{path} is not, only {_listed('feature set', sets)}"
        return StoreError(rule, found, did_you_mean(folder.name, sets, MAKE))
    return StoreError(rule, f"{path} is not", f"{MAKE}; `mmfeat init` begins a new folder")


def _listed(kind: str, names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"the {kind}{'s' * (len(names) > 1)} {', '.join(names[:MOST_NAMES])}{more}"
