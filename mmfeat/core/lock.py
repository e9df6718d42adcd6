"""A lock file that is freed when the process that holds it ends, however it ends.

`filelock` locks it with flock(2): the kernel frees the lock of a dead process, so a file that is
left behind does not block anybody. This module adds the process id of the holder to the file, for
messages, and removes the file at the end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout, UnixFileLock


class LockHeld(Exception):  # noqa: N818 - the caller turns it into an error
    """Another live process, `holder`, has the lock."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; raise `LockHeld` while another live process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # on a file system without flock, filelock's fallback would outlive its process: raise instead
    lock = UnixFileLock(path, blocking=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise LockHeld(_holder(path)) from None
    try:
        path.write_text(f"{os.getpid()}\n", encoding="ascii")
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip() or "unknown"
    except FileNotFoundError:  # the holder has just released it
        return "unknown"
