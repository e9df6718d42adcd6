"""From a name in a table to the bytes of a file: nothing outside the folder is ever opened."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mmfeat.store.layout import Status

MAX_FILE_BYTES = 1 << 29


@dataclass(frozen=True)
class Refusal:
    """Why an image has no embedding."""

    status: Status
    reason: str


def read_image_file(folder: Path, name: str) -> bytes | Refusal:
    """Read the file `name` below `folder`, which must be resolved; or say why not.

    Refused: absolute names, ``..``, NUL, links that lead out of the folder, and what is no
    regular file (a pipe would block for ever).
    """
    found = _open(folder, name)
    if isinstance(found, Refusal):
        return found
    status = os.fstat(found)
    if not stat.S_ISREG(status.st_mode):
        os.close(found)
        return Refusal(Status.REFUSED, "it is not a regular file")
    with os.fdopen(found, "rb") as file:
        if status.st_size > MAX_FILE_BYTES:
            return too_large(status.st_size)
        try:
            content = file.read()
        except OSError as error:
            return Refusal(Status.CORRUPT, f"the file cannot be read: {_reason(error)}")
    return content or Refusal(Status.CORRUPT, "the file is empty")


def refuse_name(name: str) -> Refusal | None:
    """Say why no file of this name is ever looked for, or give None."""
    path = PurePosixPath(name)
    if not name.strip():
        return Refusal(Status.MISSING, "the table names no image")
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        return Refusal(Status.REFUSED, "the name leaves the folder of images")
    return None


def too_large(n_bytes: int, *, allowed: int = MAX_FILE_BYTES) -> Refusal:
    """The refusal of a file of `n_bytes`, more than `allowed`."""
    return Refusal(Status.TOO_LARGE, f"the file has {n_bytes} bytes; {allowed} are allowed")


def _open(folder: Path, name: str) -> int | Refusal:
    """Open the file without waiting for a pipe's other end; return its descriptor."""
    refusal = refuse_name(name)
    if refusal is not None:
        return refusal
    try:
        target = (folder / PurePosixPath(name)).resolve()
        if target.is_relative_to(folder):
            return os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return Refusal(Status.MISSING, "there is no such file")
    except (OSError, ValueError, RuntimeError) as error:
        return Refusal(Status.REFUSED, f"the file cannot be opened: {_reason(error)}")
    return Refusal(Status.REFUSED, "the file is a link out of the folder of images")


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)
