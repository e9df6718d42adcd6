"""What many tests share: small made-up projects, and the command line as a function."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mmfeat.demo.data import write_demo_data
from mmfeat_cli.main import app

Mmfeat = Callable[..., Result]


@pytest.fixture
def mmfeat() -> Mmfeat:
    """Run `mmfeat ARGUMENTS` in this process; the result has exit_code, stdout and stderr."""

    def run(*arguments: object) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture(scope="session")
def demo_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small demo project with extracted stores; read-only for tests."""
    folder = tmp_path_factory.mktemp("demo_project")
    write_demo_data(folder, n_train=240, n_test=60, seed=11)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = CliRunner().invoke(app, ["extract", "--quiet"])
    assert result.exit_code == 0, result.stderr
    return folder


@pytest.fixture
def project(demo_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a fresh copy of the demo project without its pictures."""
    folder = tmp_path / "project"
    shutil.copytree(demo_project, folder, ignore=shutil.ignore_patterns("data"))
    monkeypatch.chdir(folder)
    return folder
