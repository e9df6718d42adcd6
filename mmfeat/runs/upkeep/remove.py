"""The verb `remove_run`: a run is removed as a whole."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

from mmfeat.core.checks import check_arguments
from mmfeat.core.files import HOST, sync
from mmfeat.core.workspace import open_project
from mmfeat.errors import RunError, did_you_mean
from mmfeat.runs.listing import list_runs
from mmfeat.runs.run import Run

log = logging.getLogger(__name__)


@check_arguments
def remove_run(run: Run | str, *, workspace: Path | str | None = None) -> None:
    """Remove a run, finished or not, sound or not.

    Its folder is first renamed to a hidden one, which is no run; one that a kill leaves is
    removed by `mmfeat.clean`. Ensembles keep copies of their runs, and comparisons pass over
    runs that are gone.

    Raises
    ------
    RunError
        Where there is no such run, or where another process is writing it.
    """
    space = open_project(workspace)[1]
    found = run if isinstance(run, Run) else Run(space.run(run))
    if not found.folder.is_dir() or found.folder.is_symlink():
        raise RunError(
            "a run to remove must exist",
            f"{space.runs} has no folder {found.name}",
            did_you_mean(
                found.name,
                (run.name for run in list_runs(space)),
                "name one of those that `mmfeat runs` lists",
            ),
        )
    hidden = found.folder.with_name(f".{found.name}.{HOST}.{os.getpid()}.tmp")
    with found.locked():
        found.folder.rename(hidden)
        sync(hidden.parent)
    shutil.rmtree(hidden)
    log.info("run %s is removed", found.name)
