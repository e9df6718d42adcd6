"""One extraction per store at a time: a lock that dies with its process."""

from __future__ import annotations

import fcntl
import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmfeat.errors import ExtractError


@contextmanager
def sole_writer(out: Path) -> Iterator[None]:
    """Hold `<out>.lock`; raise `ExtractError` while another live process holds it.

    The kernel frees the lock when its holder dies, however it dies; the file itself means nothing.
    """
    path = out.with_name(f"{out.name}.lock")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _lock(path, out)
    except OSError as error:
        raise ExtractError(
            "the folder of the store must be writable",
            f"{path.parent}: {error.strerror}",
            "see to its permissions and free space, or choose another --out or --workspace",
        ) from error
    try:
        for partial in out.parent.glob(f".{glob.escape(out.name)}.*.tmp"):
            partial.unlink()  # left by a process that was killed; nobody else writes here now
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _lock(path: Path, out: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise ExtractError(
                "only one extraction at a time writes into a store",
                f"the process {holder} is writing {out}",
                "wait until it has ended, or choose another --out, --split or --features",
            ) from None
        if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
            return descriptor
        os.close(descriptor)  # the last holder removed the file just before we locked it
