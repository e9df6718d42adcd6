"""A Ctrl-C ends a command wherever it arrives, and a write in the middle of it leaves no trace."""

from __future__ import annotations

import random
import signal
import sys
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfeat.runs.scores import read_scores, write_scores
from mmfeat.store.hdf5.new_file import NewFile
from mmfeat.types import OutOfFold
from mmfeat_cli.__main__ import INTERRUPTED, main, never_lose_interrupts
from mmfeat_cli.main import app

N_INTERRUPTS = 100
SCORES = OutOfFold(
    ids=[f"{row}.jpg" for row in range(500)],
    labels=("a", "b"),
    probabilities=np.full((500, 2), 0.25, np.float32),
    folds=np.arange(500) % 2,
    targets=np.ones((500, 2), np.uint8),
    groups=None,
)


@pytest.fixture
def never_lost(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Signals raise `KeyboardInterrupt` as in a command: SIGINT, and SIGALRM for timers."""
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    never_lose_interrupts()
    both = (signal.SIGINT, signal.SIGALRM)
    before = [signal.signal(number, signal.default_int_handler) for number in both]
    yield
    for number, handler in zip(both, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("never_lost")
def test_an_interrupt_while_an_object_is_cleared_away_arrives() -> None:
    class Thing:
        pass

    thing = Thing()
    _watch = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        del thing
        time.sleep(20)


@pytest.mark.usefixtures("never_lost")
def test_an_interrupt_beside_the_command_is_told_as_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    for name in ("PYTHONSAFEPATH", "OMP_WAIT_POLICY"):  # which a command sets
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(app.registered_callback, "callback", interrupted)
    monkeypatch.setattr(sys, "argv", ["mmfeat", "list", "heads"])
    with pytest.raises(SystemExit) as end:
        main()
    assert (end.value.code, capsys.readouterr().err) == (130, f"{INTERRUPTED}\n")


@pytest.mark.usefixtures("never_lost")
def test_an_interrupt_at_any_moment_of_a_write_arrives_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "scores.h5"
    start = time.perf_counter()
    write_scores(path, SCORES)
    seconds, whole = time.perf_counter() - start, path.read_bytes()
    rng = random.Random(0)
    for _ in range(N_INTERRUPTS):
        with pytest.raises(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, seconds))
            write_scores(path, SCORES)
            time.sleep(20)
        assert path.read_bytes() == whole
    write_scores(path, SCORES)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("last", ["ids", "labels", "oof", "folds", "targets"])
def test_an_interrupt_after_each_write_leaves_the_file_before(
    last: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "scores.h5"
    write_scores(path, SCORES)
    whole, append = path.read_bytes(), NewFile.append

    def interrupted(file: NewFile, name: str, *args: Any, **kwargs: Any) -> None:
        append(file, name, *args, **kwargs)
        if name == last:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(NewFile, "append", interrupted)
        write_scores(path, SCORES)
    assert path.read_bytes() == whole and list(tmp_path.iterdir()) == [path]
    write_scores(path, SCORES)
    assert read_scores(path).ids == SCORES.ids
