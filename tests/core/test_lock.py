from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mmfeat.core.lock import LockHeld, locked

HOLD = """
import os, sys, time
from pathlib import Path
from mmfeat.core.lock import locked

with locked(Path(sys.argv[1])):
    {inside}
    print("held", flush=True)
    time.sleep(60)
"""


def holder(path: Path, *, inside: str = "") -> subprocess.Popen[str]:
    """Start a process that holds the lock until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(inside=inside), str(path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_lock_is_held_once_and_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.lock"
    with locked(path), pytest.raises(LockHeld, match=str(os.getpid())), locked(path):
        pass
    with locked(path):
        pass
    assert not path.exists()


def test_a_lock_is_freed_when_its_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    process = holder(path)
    with pytest.raises(LockHeld, match=str(process.pid)), locked(path):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert path.exists()
    with locked(path):
        pass


def test_a_forked_process_does_not_keep_the_lock(tmp_path: Path) -> None:
    path, written = tmp_path / "x.lock", tmp_path / "child"
    child = f"(Path({str(written)!r}).write_text(str(os.getpid())), time.sleep(60))"
    process = holder(path, inside=f"os.fork() or {child}")
    while not written.exists() or not written.read_text():
        time.sleep(0.01)
    process.kill()
    process.wait()
    try:
        with locked(path):
            pass
    finally:
        os.kill(int(written.read_text()), signal.SIGKILL)


def test_of_many_threads_one_at_a_time_has_the_lock(tmp_path: Path) -> None:
    path, inside, most = tmp_path / "x.lock", [], []

    def work(_: int) -> int:
        try:
            with locked(path):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.001)
                inside.pop()
        except LockHeld:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        done = sum(pool.map(work, range(200)))
    assert done > 0 and max(most) == 1
