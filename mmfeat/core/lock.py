"""A lock file that is freed when the process that holds it ends, however it ends.

`filelock` locks it with flock(2): the kernel frees the lock of a dead process, so a file that is
left behind does not block anybody. This module adds the process id of the holder to the file, for
messages, and removes the file at the end.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout, UnixFileLock

POLL_SECONDS = 0.2


class LockHeld(Exception):  # noqa: N818 - the caller turns it into an error
    """Another live process, `holder`, has the lock."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


@contextmanager
def locked(path: Path, *, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock file `path`; raise `LockHeld` while another live process holds it.

    With `on_wait`, which is told once who holds it, wait until it is free instead, unless its
    holder is stopped and would never free it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # on a file system without flock, filelock's fallback would outlive its process: raise instead
    lock = UnixFileLock(path, blocking=False, fallback_to_soft=False)
    waits = False
    while True:
        try:
            lock.acquire()
            break
        except Timeout:
            holder = _holder(path)
            if on_wait is None or _is_stopped(holder):
                raise LockHeld(holder) from None
        if not waits:
            on_wait(holder)
            waits = True
        time.sleep(POLL_SECONDS)
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


def _is_stopped(process: str) -> bool:
    """Whether a process of this machine is stopped, as by Ctrl-Z; no where that is not known."""
    try:
        status = Path("/proc", process, "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] == "T"
