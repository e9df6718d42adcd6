"""The most memory that this process held, giving back what was freed, and sizes as written."""

from __future__ import annotations

import ctypes
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmfeat.errors import ConfigError

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
SINCE_NOW = "5"  # what makes the kernel forget the peak so far: see proc(5)

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # see mallopt(3)
LARGE, MOST_CUT = 2**18, 2**25  # bytes; glibc's own threshold grows up to the second

UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def bytes_of(text: str) -> int:
    """Read a size such as 2GiB, 1.5G or 800M, in bytes; raise `ConfigError` otherwise."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgt]?)(?:i?b)?", text.strip().lower())
    if not found or not float(found[1]):
        raise ConfigError(
            "a size is a number of bytes, or of KiB, MiB, GiB or TiB",
            f"{text!r} is none",
            "write e.g. 2GiB or 800M",
        )
    return int(float(found[1]) * UNITS[found[2]])


def reset_peak() -> None:
    """Forget the peak so far, where the kernel can; elsewhere the peak is of the whole process."""
    try:
        RESET.write_text(SINCE_NOW)
    except OSError:
        return


def give_back_freed() -> None:
    """Give the system what was freed: glibc keeps it, for each thread apart. Elsewhere, nothing."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


@contextmanager
def large_blocks_mapped() -> Iterator[None]:
    """Meanwhile, have the system give large blocks, and take them back when they are freed.

    glibc, left alone, cuts them from its heap once some were freed, and the gaps stay. Afterwards
    it does so again: where blocks come and go all the time, as in `mlp`, mapping them costs half
    as much time again. Elsewhere, nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        yield
        return
    mallopt(MMAP_THRESHOLD, LARGE)
    try:
        yield
    finally:
        mallopt(MMAP_THRESHOLD, MOST_CUT)
        mallopt(TRIM_THRESHOLD, 2 * MOST_CUT)


def peak_memory() -> int:
    """Resident memory at its largest since the last `reset_peak`, in bytes."""
    try:
        lines = STATUS.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
