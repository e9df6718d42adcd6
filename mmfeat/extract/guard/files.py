"""Opening a file below a folder, whatever links are swapped while it is opened.

A file is taken hold of first, which reads nothing and waits for nothing. The system says where what
is held really lies, and what it is. Only then is it opened: the held file itself, not what has its
name by now.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from mmfeat.extract.guard.refusal import MAX_FILE_BYTES, Refusal, too_large
from mmfeat.extract.guard.refuse import not_found, refuse_name
from mmfeat.store.layout import Status


def read_image_file(folder: Path, name: str) -> bytes | Refusal:
    """Read the file `name` below `folder`, which must be resolved; or say why not.

    Refused: URLs, ``..``, NUL, absolute paths and links that lead out of the folder, and what is
    no regular file (a pipe would block for ever).
    """
    with _held(folder, name) as held:
        return held if isinstance(held, Refusal) else _content(held)


def is_there(folder: Path, name: str) -> bool:
    """Whether `read_image_file` finds a file of that name, which is not read."""
    with _held(folder, name) as held:
        return not isinstance(held, Refusal)


@contextmanager
def _held(folder: Path, name: str) -> Iterator[int | Refusal]:
    """Give a descriptor that holds a regular file below `folder` and cannot read it."""
    refusal = refuse_name(name, folder)
    if refusal is not None:
        yield refusal
        return
    try:
        held = os.open(folder / PurePosixPath(name), os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        yield not_found(name)
        return
    except (OSError, ValueError) as error:
        yield _cannot_be("opened", error)
        return
    try:
        yield _check(folder, held) or held
    finally:
        os.close(held)


def _check(folder: Path, held: int) -> Refusal | None:
    try:
        place = Path(_by_descriptor(held)).readlink()
        mode = os.fstat(held).st_mode
    except OSError as error:
        return _cannot_be("opened", error)
    if not place.is_relative_to(folder):
        return Refusal(Status.REFUSED, "the file is a link out of the folder of images")
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        return Refusal(Status.REFUSED, f"it is {kind}, not a regular file")
    return None


def _content(held: int) -> bytes | Refusal:
    try:
        descriptor = os.open(_by_descriptor(held), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return _cannot_be("opened", error)
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        if size > MAX_FILE_BYTES:
            return too_large(size)
        try:
            content = file.read(size)
        except OSError as error:
            return Refusal(Status.CORRUPT, f"the file cannot be read: {_reason(error)}")
    return content or Refusal(Status.CORRUPT, "the file is empty")


def _by_descriptor(held: int) -> str:
    return f"/proc/self/fd/{held}"  # a link to the very file that is held (proc(5))


def _cannot_be(what: str, error: BaseException) -> Refusal:
    return Refusal(Status.REFUSED, f"the file cannot be {what}: {_reason(error)}")


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)
