"""The verb `clean`: what killed processes left in a workspace, and its caches, are removed.

Stores, finished runs, folds, searches, comparisons, submissions and reports stay. A process that
is alive keeps its files, whatever they are.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmfeat.core.checks import check_arguments
from mmfeat.core.files import HOST, is_alive
from mmfeat.core.lock import LockHeld, locked
from mmfeat.core.workspace import Workspace, open_project
from mmfeat.errors import RunError
from mmfeat.runs.listing import list_runs
from mmfeat.runs.run import UNSEALED


@dataclass(frozen=True, kw_only=True)
class CleanResult:
    """What was removed: each path, with its size in bytes."""

    removed: dict[Path, int]

    @property
    def n_bytes(self) -> int:
        """The size of all that was removed."""
        return sum(self.removed.values())


@check_arguments
def clean(*, unfinished: bool = False, workspace: Path | str | None = None) -> CleanResult:
    """Remove temporary files of dead processes, caches, and checkpoints of finished runs.

    Parameters
    ----------
    unfinished
        Remove runs that are not finished, as well; without it they can be taken up again.

    Raises
    ------
    OSError
        Where a file cannot be removed.
    """
    space = open_project(workspace)[1]
    removed: dict[Path, int] = {}

    def remove(path: Path) -> None:
        removed[path] = _size(path)
        shutil.rmtree(path) if _is_folder(path) else path.unlink()

    for path in [path for folder in _folders(space) for path in _left_by_dead(folder)]:
        if path.is_symlink() or path.exists():  # it was not inside of one that is removed
            remove(path)
    for path in space.cache.iterdir() if _is_folder(space.cache) else ():
        remove(path)
    for path in _of_runs(space, unfinished=unfinished):
        remove(path)
    for folder in _folders(space):
        for path in list(folder.rglob("*.lock")):
            _remove_lock(path)
    return CleanResult(removed=removed)


def _folders(workspace: Workspace) -> list[Path]:
    """The folders that are the program's own; the workspace itself may hold anything."""
    names = ("features", "folds", "runs", "search", "comparisons", "submissions", "cache")
    return [workspace.root / name for name in names if _is_folder(workspace.root / name)]


def _left_by_dead(folder: Path) -> Iterator[Path]:
    """Temporary files and folders of processes of this machine that are dead."""
    for path in sorted(folder.rglob(".*.tmp")):
        process = path.name.split(".")[-2]
        is_ours = process.isdecimal() and path.name.endswith(f".{HOST}.{process}.tmp")
        if is_ours and not is_alive(int(process)):
            yield path


def _of_runs(workspace: Workspace, *, unfinished: bool) -> Iterator[Path]:
    """Checkpoints of finished runs, and unfinished runs; not while a process writes the run."""
    for run in list_runs(workspace):
        unneeded = [run.folder / name for name in UNSEALED] if run.is_done else [run.folder]
        if not run.is_done and not unfinished:
            continue
        try:
            with run.locked():
                yield from (path for path in unneeded if _is_folder(path))
        except RunError:
            continue


def _remove_lock(path: Path) -> None:
    try:
        with locked(path):  # which removes it at the end
            pass
    except LockHeld:
        pass


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _size(path: Path) -> int:
    paths = [path, *path.rglob("*")] if _is_folder(path) else [path]
    return sum(each.lstat().st_size for each in paths)
