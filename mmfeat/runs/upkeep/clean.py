"""The verb `clean`: what killed processes left in a workspace, and its caches, are removed.

Stores, finished runs, folds, searches, comparisons, submissions and reports stay. Unfinished runs
and extractions go on request alone, for the same command would continue them. A process that is
alive keeps its files, whatever they are.
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
from mmfeat.extract.lock import unfinished as unfinished_extractions
from mmfeat.runs.listing import list_runs
from mmfeat.runs.run import UNSEALED, Run


@dataclass(frozen=True, kw_only=True)
class CleanResult:
    """What was removed, and what is unfinished and was kept: paths with their sizes in bytes."""

    removed: dict[Path, int]
    unfinished: dict[Path, int]

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
        Remove runs and extractions that are not finished, as well; without it the same command
        continues them, and with it everything they have made so far is made again.

    Raises
    ------
    OSError
        Where a file cannot be removed.
    """
    space = open_project(workspace)[1]
    removed: dict[Path, int] = {}
    kept: dict[Path, int] = {}

    def remove(path: Path) -> None:
        removed[path] = _size(path)
        shutil.rmtree(path) if _is_folder(path) else path.unlink()

    for path in [path for folder in _folders(space) for path in _left_by_dead(folder)]:
        if path.is_symlink() or path.exists():  # it was not inside of one that is removed
            remove(path)
    for path in space.cache.iterdir() if _is_folder(space.cache) else ():
        remove(path)
    for path in _unneeded(space):
        remove(path)
    for path in _unfinished(space):
        if unfinished:
            remove(path)
        else:
            kept[path] = _size(path)
    for folder in _folders(space):
        for path in list(folder.rglob("*.lock")):
            _remove_lock(path)
    return CleanResult(removed=removed, unfinished=kept)


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


def _unneeded(workspace: Workspace) -> Iterator[Path]:
    """Checkpoints of finished runs."""
    for run in _runs(workspace, done=True):
        yield from (path for path in (run.folder / n for n in UNSEALED) if _is_folder(path))


def _unfinished(workspace: Workspace) -> Iterator[Path]:
    """Folders of unfinished runs, and what interrupted extractions have made so far."""
    yield from (run.folder for run in _runs(workspace, done=False) if _is_folder(run.folder))
    yield from unfinished_extractions(workspace.features)


def _runs(workspace: Workspace, *, done: bool) -> Iterator[Run]:
    """Runs that are finished or not, each while it is locked; not those that a process writes."""
    for run in list_runs(workspace):
        try:
            with run.locked():
                if run.is_done == done:
                    yield run
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
