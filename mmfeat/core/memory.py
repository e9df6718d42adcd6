"""Memory of this process: its peak, what becomes garbage or free, and sizes as text."""

from __future__ import annotations

import atexit
import ctypes
import gc
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmfeat.errors import ConfigError

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
SINCE_NOW = "5"  # resets the peak: see proc(5)

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # see mallopt(3)
MAPPED_BYTES, HEAP_BYTES = 2**18, 2**25  # thresholds; glibc's own grows up to the second

COLLECT_EVERY = 10_000  # new objects; by default 700, and loading torch collects 390 times

UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def collect_rarely() -> None:
    """Let a short program look for cycles of garbage less often, and not once more at its end."""
    gc.set_threshold(COLLECT_EVERY)
    atexit.register(gc.freeze)


def bytes_of(text: str) -> int:
    """Parse a size such as 2GiB, 1.5G or 800M into bytes; raise `ConfigError` if it is none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgt]?)(?:i?b)?", text.strip().lower())
    if not found or not float(found[1]):
        raise ConfigError(
            "a size is a positive number of bytes, KiB, MiB, GiB or TiB",
            f"{text!r} is not",
            "write e.g. 2GiB or 800M",
        )
    return int(float(found[1]) * UNITS[found[2]])


def size_of(n_bytes: float | None) -> str:
    """A number of bytes as text with a unit, a power of 1,000."""
    if n_bytes is None:
        return "n/a"
    power = min(len(str(int(n_bytes))) - 1, 9) // 3
    number = n_bytes / 1000**power
    return f"{number:.{0 if number >= 10 or not power else 1}f} {('B', 'kB', 'MB', 'GB')[power]}"


def duration_of(seconds: float) -> str:
    """A duration as text, e.g. ``40 s``, ``3 minutes`` or ``2.5 hours``."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def reset_peak() -> None:
    """Reset the peak, where the kernel supports it; elsewhere it is that of the whole process."""
    try:
        RESET.write_text(SINCE_NOW)
    except OSError:
        return


def give_back_freed() -> None:
    """Return freed memory to the system, which glibc keeps per thread; a no-op elsewhere."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


@contextmanager
def large_blocks_mapped() -> Iterator[None]:
    """Allocate large blocks by mmap within the context, so that freeing returns them.

    By default glibc takes them from its heap once some were freed, which leaves gaps. The default
    is restored at the end: where blocks are allocated and freed all the time, mapping them takes
    1.5 times as long. A no-op without glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        yield
        return
    mallopt(MMAP_THRESHOLD, MAPPED_BYTES)
    try:
        yield
    finally:
        mallopt(MMAP_THRESHOLD, HEAP_BYTES)
        mallopt(TRIM_THRESHOLD, 2 * HEAP_BYTES)


def peak_memory() -> int:
    """Peak resident memory since the last `reset_peak`, in bytes."""
    try:
        lines = STATUS.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


SLICE_ROWS = 2**14  # whose embeddings, or texts, are in memory


def slices(n_rows: int, *, size: int = SLICE_ROWS) -> Iterator[slice]:
    """Consecutive rows; one empty slice where there are none, so that a file has its header."""
    for start in range(0, max(n_rows, 1), size):
        yield slice(start, min(start + size, n_rows))
