"""The seal of a run, `DONE`: the sha256 of every file, written when the run is finished.

A run without `DONE` is resumed or refused, never read. A file of a finished run is checked
against its seal when it is read, before anything parses it.

`tune-thresholds` changes files of a finished run. It is safe to kill it at any moment: a new sum
is first added to the seal beside the old one (`accept`), then the file is replaced, then the old
sum is removed (`settle`). A file is sound if it has one of its sums; a new one may be missing
until then.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mmfeat.core.files import file_sha256, read_json, sync, write_json
from mmfeat.errors import RunError

NAME = "DONE"

# What mends a run; everything else is fitted again by the command that made the run.
REMEDIES = {
    "config.json": "remove the run's folder and fit the run again",
    "thresholds.json": "run `mmfeat tune-thresholds` again",
    "held_out.h5": "run `mmfeat tune-thresholds` again",
}

Sums = dict[str, list[str]]  # file, relative to the run's folder -> the sums that it may have
MISSING = ""  # the sum of a file that need not be there yet


def is_sealed(folder: Path) -> bool:
    """Whether the run in `folder` is finished."""
    return (folder / NAME).is_file()


def seal(folder: Path, *, leave_out: Sequence[str] = ()) -> None:
    """Write the sha256 of every file below `folder`, except for the folders in `leave_out`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder) for path in files]
    kept = [n for n in names if not n.name.startswith(".") and n.parts[0] not in (NAME, *leave_out)]
    _write(folder, {name.as_posix(): [file_sha256(folder / name)] for name in kept})


def names(folder: Path) -> frozenset[str]:
    """The files of a finished run."""
    return frozenset(
        name
        for name, sums in _read(folder).items()
        if MISSING not in sums or (folder / name).exists()
    )


def unseal(folder: Path) -> None:
    """Make a finished run an unfinished one."""
    (folder / NAME).unlink()
    sync(folder)


def touch(folder: Path) -> None:
    """Make a finished run the newest again."""
    os.utime(folder / NAME)


def verify(folder: Path, name: str) -> None:
    """Check a file, or all files of a folder, of the run in `folder`, if it is finished.

    Raises `RunError` for a file that is missing, damaged or not in the seal.
    """
    if not is_sealed(folder):
        return
    sums = _read(folder)
    path = folder / name
    wanted = [known for known in sums if known == name or known.startswith(f"{name}/")]
    if not wanted:
        raise damaged(path, "it is not one of the files of the finished run")
    found = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    extra = {p.relative_to(folder).as_posix() for p in found} - set(wanted)
    if extra:
        raise damaged(folder / min(extra), "it is not one of the files of the finished run")
    for known in wanted:
        if MISSING in sums[known] and not (folder / known).exists():
            continue
        if not (folder / known).resolve().is_relative_to(folder.resolve()):
            raise damaged(folder / known, "it is a link out of the folder")
        try:
            sha256 = file_sha256(folder / known)
        except OSError as error:
            raise damaged(folder / known, error.strerror or str(error)) from error
        if sha256 not in sums[known]:
            raise damaged(folder / known, "it has changed since it was written: its sha256 differs")


def accept(folder: Path, name: str, sha256: str) -> None:
    """Let the file `name` of a finished run become one with this sum."""
    if is_sealed(folder):
        sums = _read(folder)
        _write(folder, {**sums, name: [*sums.get(name, [MISSING]), sha256]})


def settle(folder: Path, names: Sequence[str]) -> None:
    """Forget the sums that the files `names` of a finished run had before they were replaced."""
    if is_sealed(folder):
        _write(folder, _read(folder) | {name: [file_sha256(folder / name)] for name in names})


def damaged(path: Path, found: str) -> RunError:
    """Make the error of a file of a run that cannot be used."""
    return RunError(
        f"a run needs an intact {path.name}",
        f"{path}: {found}",
        REMEDIES.get(path.name) or _remedy(path),
    )


def _remedy(path: Path) -> str:
    if path.parent.name == "decisions":
        return f"run `mmfeat tune-thresholds --objective {path.stem}` again"
    return "fit the run again with the same `mmfeat fit …`"


def _read(folder: Path) -> Sums:
    path = folder / NAME
    try:
        return {
            str(name): [sums] if isinstance(sums, str) else [str(value) for value in sums]
            for name, sums in read_json(path).items()
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise damaged(path, str(error)) from error


def _write(folder: Path, sums: Sums) -> None:
    """Write the sums; the seal keeps its time, which says when the run was fitted."""
    path = folder / NAME
    fitted = path.stat().st_mtime_ns if path.exists() else None
    write_json(path, {name: s[0] if len(s) == 1 else s for name, s in sorted(sums.items())})
    if fitted is not None:
        os.utime(path, ns=(fitted, fitted))
