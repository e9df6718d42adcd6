"""The most memory that this process held, measured by the kernel."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
SINCE_NOW = "5"  # what makes the kernel forget the peak so far: see proc(5)


def reset_peak() -> None:
    """Forget the peak so far, where the kernel can; elsewhere the peak is of the whole process."""
    try:
        RESET.write_text(SINCE_NOW)
    except OSError:
        return


def peak_memory() -> int:
    """Resident memory at its largest since the last `reset_peak`, in bytes."""
    try:
        lines = STATUS.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
