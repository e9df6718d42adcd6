"""Threads in order; processes that run no code of the current folder and end with their parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmfeat.core.parallel import spawning, thread_map, uninterrupted

PARENT = """
import sys, time
from mmfeat.core.parallel import end_with_parent, spawning

def work(connection):
    import os
    end_with_parent()
    connection.send(os.getpid())
    time.sleep(60)

if __name__ == "__main__":
    with spawning() as context:
        ours, theirs = context.Pipe()
        context.Process(target=work, args=(theirs,), daemon=True).start()
    print(ours.recv(), flush=True)
    time.sleep(60)
"""


def test_results_come_in_order() -> None:
    assert thread_map(lambda item: item**2, range(50)) == [item**2 for item in range(50)]


def test_a_process_looks_for_no_module_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("multiprocessing", "json", "numpy"):
        (tmp_path / f"{name}.py").write_text("open('OWNED', 'w').close(); raise SystemExit\n")
    with spawning() as context:
        process = context.Process(target=os.getpid)
        process.start()
    process.join()
    assert process.exitcode == 0 and not (tmp_path / "OWNED").exists()
    assert "PYTHONSAFEPATH" not in os.environ


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C is heard, which a job in the background may have been told to ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_an_interrupt_waits_until_processes_are_started_which_never_hear_of_it() -> None:
    blocked = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        multiprocessing.get_context("spawn").Lock()  # as a pool has one
        started = subprocess.run([sys.executable, "-c", blocked], capture_output=True, check=True)
    assert started.stdout == b"True\n"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with uninterrupted():
        pass  # nothing is raised


def test_a_process_leaves_the_script_alone(tmp_path: Path) -> None:
    script = "import os\nfrom mmfeat.core.parallel import spawning, without_main\n"
    script += "print('here', flush=True)\nwith spawning() as context, without_main():\n"
    script += "    process = context.Process(target=os.getpid)\n    process.start()\n"
    (tmp_path / "script.py").write_text(f"{script}process.join()\nprint(process.exitcode)\n")
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["here", "0"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_ends_with_its_parent(tmp_path: Path, how: signal.Signals) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py")], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = Path("/proc", parent.stdout.readline().strip(), "exe")
    assert os.path.lexists(child)
    parent.send_signal(how)
    parent.wait()
    for _ in range(1000):
        if not os.path.lexists(child):
            return
        time.sleep(0.01)
    pytest.fail("the child lives on")
