"""Wrong uses of every command end in one clear line and in time: status 0, 1 or 2.

`MMFEAT_WRONG_USES=300` tries as many of each command, `MMFEAT_WRONG_SEED=1` others.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mmfeat.core.files import write_text
from mmfeat.core.settings.keys import SECTIONS
from mmfeat.demo.data import write_demo_data
from mmfeat_cli.demo import demo
from mmfeat_cli.flags import FLAGS
from mmfeat_cli.main import COMMANDS, app
from mmfeat_cli.terminal import CONTROLS, never_fail_to_encode
from tests.support.named import unknown_names
from tests.support.wrong_uses import READERS, SOUND, prepare, wrong_settings, wrong_use

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


@contextmanager
def project_of(prepared: Path, folder: Path) -> Iterator[Path]:
    """In a fresh copy of the project, whose files are links: every write replaces its file."""
    project = folder / "project"
    ignore = shutil.ignore_patterns("pipe")
    shutil.copytree(prepared, project, symlinks=True, copy_function=os.link, ignore=ignore)
    os.mkfifo(project / "pipe")
    with chdir(project):
        yield project
    shutil.rmtree(folder)


def faults_of(use: list[str]) -> list[str]:
    """What is wrong with how a use of `mmfeat` ends, in this process."""

    def ring(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        return faults(use[0], Terminal().invoke(app, use))
    except Hang:
        return [f"it does not end in {SECONDS} s"]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


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
    assert set(SOUND) == set(COMMANDS) == set(FLAGS)


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_uses_end_in_one_line(
    command: str, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A name that a repository may have is asked for nowhere else, whatever token there is.
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    # The commands of the demo fail at once.
    failed: Any = subprocess.CompletedProcess((), 1)
    monkeypatch.setattr(demo, "subprocess", SimpleNamespace(run=lambda *_, **__: failed))
    wrong = []
    for at in range(N_USES):
        use = [command, *wrong_use(command, random.Random(f"{command} {SEED} {at}"))]
        with project_of(prepared, tmp_path / str(at)):
            wrong += [f"{use!r:.300}: {fault}" for fault in faults_of(use)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("section", READERS)
def test_wrong_settings_end_in_one_line(section: str, prepared: Path, tmp_path: Path) -> None:
    wrong = []
    for key, at in itertools.product(SECTIONS[section], range(max(1, N_USES // 8))):
        value, use = wrong_settings(section, key, random.Random(f"{section} {key} {SEED} {at}"))
        with project_of(prepared, tmp_path / f"{key}{at}") as folder:
            document = tomllib.loads((folder / "mmfeat.toml").read_text())
            (document.setdefault(section, {}) if section else document)[key] = value
            write_text(folder / "mmfeat.toml", as_toml(document))
            found = faults_of(use)
        wrong += [f"[{section}] {key} = {value!r:.80}: {fault}" for fault in found]
    assert not wrong, "\n".join(wrong)


def as_toml(document: dict[str, Any]) -> str:
    """A document of sections and keys as TOML."""
    sections = {name: keys for name, keys in document.items() if isinstance(keys, dict)}
    lines = [f"{key} = {toml(value)}" for key, value in document.items() if key not in sections]
    for name, keys in sections.items():
        lines += [f"[{name}]", *(f"{key} = {toml(value)}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"


def toml(value: Any) -> str:
    """A value as TOML writes it: JSON but for NaN, infinity, and tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(entry)}" for key, entry in value.items()) + "}"
    return json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")
