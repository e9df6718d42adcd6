"""Wrong uses of every command end in one clear line and in time: status 0, 1 or 2.

`MMFEAT_WRONG_USES=300` tries as many of each command, `MMFEAT_WRONG_SEED=1` others.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mmfeat.demo import job
from mmfeat.demo.data import write_demo_data
from mmfeat_cli.demo import demo
from mmfeat_cli.flags import FLAGS
from mmfeat_cli.main import COMMANDS, app
from mmfeat_cli.terminal import CONTROLS, never_fail_to_encode
from tests.support.named import unknown_names
from tests.support.wrong_uses import SOUND, prepare, wrong_use

N_USES = int(os.environ.get("MMFEAT_WRONG_USES", "20"))
SEED = os.environ.get("MMFEAT_WRONG_SEED", "0")
SECONDS = 30.0  # for one use; most take a tenth of a second
LONGEST_LINE = 3100


class Hang(BaseException):
    """A use that does not end; no `except Exception` hides it."""


class Terminal(CliRunner):
    """Runs commands with streams that are set as `mmfeat` sets its own."""

    @contextmanager
    def isolation(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        with super().isolation(*args, **kwargs) as streams:
            never_fail_to_encode()
            yield streams


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project with a tuned run `one`, and what odd values name."""
    folder = tmp_path_factory.mktemp("prepared")
    write_demo_data(folder, n_train=40, n_test=10, seed=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        fit = "fit --head knn --fusion image --folds 2 --name one"
        for line in ("extract --quiet", fit, "tune-thresholds one"):
            result = CliRunner().invoke(app, line.split())
            assert result.exit_code == 0, result.stderr
        prepare(folder)
    return folder


@pytest.fixture
def bounded() -> Iterator[None]:
    """Raise `Hang` where a use takes too long."""

    def ring(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def copy(prepared: Path, folder: Path) -> Path:
    """A fresh copy of the project, whose files are links: every write replaces its file."""
    shutil.copytree(
        prepared,
        folder,
        symlinks=True,
        copy_function=os.link,
        ignore=shutil.ignore_patterns("pipe"),
    )
    os.mkfifo(folder / "pipe")
    return folder


def faults(command: str, result: Result) -> list[str]:
    """What is wrong with how a use ended."""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return [f"{type(result.exception).__name__}: {result.exception}"]
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    found = []
    if result.exit_code not in (0, 1, 2):
        found.append(f"status {result.exit_code}")
    if (result.exit_code == 1) != (len(lines) == 1):
        found.append(f"status {result.exit_code} with {len(lines)} error lines")
    if result.exit_code == 2 and "Error" not in result.stderr:
        found.append("status 2 without an error")
    for line in lines:
        found += [f"{name} is not there: {line}" for name in unknown_names(line, command)]
        if len(line) > LONGEST_LINE or CONTROLS.search(line) or line.count("; ") < 2:
            found.append(f"it is not clear: {line[:500]!r}")
    if "Traceback" in result.stdout + result.stderr:
        found.append("a traceback is printed")
    return found


def test_every_command_has_a_sound_use() -> None:
    assert list(SOUND) == list(COMMANDS) == list(FLAGS)


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_uses_end_in_one_line(
    command: str,
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bounded: None,
) -> None:
    # The demo draws few scenes, and its commands fail at once.
    monkeypatch.setattr(job, "N_TRAIN", 6)
    monkeypatch.setattr(job, "N_TEST", 3)
    failed: Any = subprocess.CompletedProcess((), 1)
    monkeypatch.setattr(demo, "subprocess", SimpleNamespace(run=lambda *_, **__: failed))
    wrong = []
    for at in range(N_USES):
        use = wrong_use(command, random.Random(f"{command} {SEED} {at}"))
        folder = copy(prepared, tmp_path / str(at) / "project")
        monkeypatch.chdir(folder)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            found = faults(command, Terminal().invoke(app, [command, *use]))
        except Hang:
            found = [f"it does not end in {SECONDS} s"]
        signal.setitimer(signal.ITIMER_REAL, 0)
        wrong += [f"{[command, *use]!r:.300}: {fault}" for fault in found]
        monkeypatch.chdir(tmp_path)
        shutil.rmtree(tmp_path / str(at))
    assert not wrong, "\n".join(wrong)
