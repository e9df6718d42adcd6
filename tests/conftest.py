"""What many tests share: small made-up projects, and the command line as a function."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer.testing
from typer.main import get_command
from typer.testing import CliRunner, Result

import mmfeat as library
from mmfeat.core.workspace import Workspace
from mmfeat.demo.data import write_demo_data
from mmfeat_cli.main import app
from tests.support.workspaces import Mmfeat, import_split

if TYPE_CHECKING:
    from benchmarks.browser import Browser
    from tests.support.s3 import S3

HERE = Path(__file__).parent

# The files and tests that `make check` leaves out, and why; the others take half a minute.
SLOW = {
    "cli/test_cli.py": "whole pipelines",
    "cli/test_compare.py": "many fits",
    "cli/test_errors.py": "many fits",
    "cli/attacks/test_hostile_folder.py": "every command, each in a process",
    "cli/attacks/test_interrupts.py": "processes, interrupted while they load",
    "cli/test_stage_one.py": "whole pipelines",
    "cli/test_unknown.py": "whole pipelines, several processes",
    "cli/attacks/test_wrong_uses.py": "hundreds of uses",
    "compare/test_compare.py": "many fits, in several processes",
    "compare/test_leaderboard.py": "many fits",
    "compare/search/test_search.py": "many fits",
    "compare/search/test_study.py": "many fits",
    "compare/search/test_trials.py": "many fits",
    "core/test_address.py": "a server of S3",
    "core/test_parallel.py": "processes, kills",
    "decide/test_tune.py": "every objective on many rows",
    "decide/thresholds/test_choose.py": "brute force over many cases",
    "decide/thresholds/test_separable.py": "brute force over many cases",
    "export/onnx/test_calibration.py": "graphs that torch exports",
    "export/onnx/test_towers.py": "towers that torch exports",
    "export/onnx/test_write.py": "graphs that torch exports",
    "export/test_export.py": "many fits",
    "extract/encoders/families/test_tiny_demo.py": "towers of open_clip",
    "extract/encoders/test_clip.py": "towers of open_clip",
    "extract/encoders/test_load.py": "towers of open_clip",
    "extract/encoders/families/test_open_clip_tokens.py": "the tokenizer of open_clip",
    "extract/engines/test_ray.py": "a Ray cluster",
    "extract/engines/test_reencode.py": "whole pipelines",
    "extract/engines/test_shared.py": "a server of S3, kills",
    "extract/engines/test_torchrun.py": "several processes, kills",
    "extract/images/test_images.py::test_a_scan_of_a_hundred_megapixels_is_read": "100 megapixels",
    "extract/images/test_sources.py": "a server of S3",
    "extract/test_disk.py": "a full disk at every size",
    "extract/test_repeats.py": "extractions interrupted at every step",
    "extract/test_resume.py": "kills",
    "extract/updates/test_update.py": "extractions, also interrupted ones",
    "fit/heads/test_estimators.py": "the checks of scikit-learn for every head",
    "fit/heads/test_groups.py": "every head",
    "fit/heads/test_heads.py": "the contract of every head",
    "fit/heads/test_known.py": "the contract of every head",
    "fit/heads/test_logreg.py": "the optimum of scikit-learn, many times",
    "fit/heads/torch/test_threads.py": "processes with one to several threads",
    "fit/models/test_checkpoint.py": "every head, interrupted at every fold",
    "fit/models/test_ensemble.py": "many fits",
    "fit/models/test_model.py": "every head with every fusion and loss",
    "fit/stacking/test_stacker.py": "networks of several hundred steps",
    "fit/test_held_out.py": "many fits",
    "fit/test_left_out.py": "many fits",
    "fit/test_robust.py": "every head on odd data",
    "fit/test_run_fit.py": "many fits",
    "fit/test_streamed_fits.py": "fits of rows that are not in memory",
    "fit/test_two_fits.py": "fits in several processes",
    "fit/test_unknown.py": "many fits",
    "learning/test_learning_curve.py": "many fits",
    "predict/test_new_rows.py": "whole pipelines",
    "predict/test_predict.py": "a fit for every test",
    "predict/test_submission.py": "whole pipelines",
    "promote/test_promote.py": "many fits",
    "report/test_browser.py": "Chromium",
    "report/test_curves.py": "brute force over many rows",
    "report/test_plots.py": "every plot",
    "report/test_report.py": "whole pages",
    "report/test_select.py": "many fits",
    "report/test_thumbnails.py": "a server of S3",
    "runs/test_choose.py": "many fits",
    "runs/test_decisions.py": "a kill at every step",
    "runs/test_ranking.py": "many fits",
    "runs/test_seal.py": "a kill at every step",
    "runs/transport/test_hub.py": "a server of the hub",
    "sensitivity/test_curve.py": "curves of thousands of rows",
    "sensitivity/test_sensitivity.py": "curves, whole pipelines",
    "serve/test_agreement.py": "whole pipelines",
    "serve/test_app.py": "hundreds of requests",
    "serve/test_guard.py": "requests that are waited for",
    "serve/test_openapi.py": "schemathesis",
    "serve/test_page.py": "Chromium",
    "serve/test_serve.py": "a process",
    "store/parts/test_index.py": "a replacement interrupted at every step",
    "store/parts/test_parts.py": "stores of many files",
    "store/parts/test_parts_written.py": "kills",
    "store/test_damage.py": "200 damaged files",
    "store/test_verify.py::test_a_row_takes_some_bytes_whatever_it_holds": "a million rows",
    "test_extending.py": "a copy of the tree for every patch",
    "test_own_table.py": "whole pipelines",
    "test_first_job.py": "a page of commands, each in a process",
    "test_guides.py": "many commands",
    "test_newcomer.py": "a whole pipeline",
    "test_notebook.py": "a kernel of Jupyter and a whole pipeline",
    "test_packaging.py": "builds and installs the wheel",
    "test_third_modality.py": "a whole pipeline",
    "test_verbs.py": "whole pipelines",
    "tracking/test_tracking.py": "the clients of three trackers",
}

# What takes longest or waits most comes first, so that no worker is left alone with it.
FIRST = (
    "extract/engines/test_ray.py",
    "cli/attacks/test_hostile_folder.py",
    "test_packaging.py",
    "extract/engines/test_torchrun.py",
    "test_first_job.py",
)


def pytest_configure() -> None:
    """Let tests share the machine: threads that wait burn time, and Ray gives way to all others."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("RAY_worker_niceness", "0")
    gc.disable()
    # Typer builds every command for each use of one.
    typer.testing._get_command = cache(get_command)  # type: ignore[attr-defined]


def pytest_collection_finish() -> None:
    """What is imported by now stays: garbage is looked for in what tests make, and not in it."""
    gc.freeze()
    gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """In `make check`, slow files are not even imported."""
    name = collection_path.relative_to(HERE).as_posix()
    return True if name in SLOW and config.option.markexpr == "not slow" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests, put the slowest first, and refuse a slow file that is not there."""
    missing = [name for name in SLOW if not (HERE / name.partition("::")[0]).is_file()]
    if missing:
        raise pytest.UsageError(f"tests/conftest.py calls files slow that are missing: {missing}")
    items.sort(key=lambda item: _turn(item.path.relative_to(HERE).as_posix()))
    for item in items:
        file = item.path.relative_to(HERE).as_posix()
        if file in SLOW or f"{file}::{item.name.partition('[')[0]}" in SLOW:
            item.add_marker(pytest.mark.slow)


def _turn(file: str) -> int:
    return FIRST.index(file) if file in FIRST else len(FIRST)


@pytest.fixture(autouse=True)
def _no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are not wrapped, whatever terminal the tests are started in."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(autouse=True)
def _messages_as_at_first() -> None:
    """What a command of another test did to the messages of the library is undone."""
    logger = logging.getLogger("mmfeat")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


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


@pytest.fixture(scope="session")
def demo_run(demo_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small demo project without its pictures, with a run; read-only for tests."""
    folder = tmp_path_factory.mktemp("demo_run") / "project"
    shutil.copytree(demo_project, folder, ignore=shutil.ignore_patterns("data"))
    library.fit("train", head="logreg", folds=3, settings={"C": 1}, workspace=folder / "artifacts")
    return folder


@pytest.fixture
def fitted_project(demo_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a fresh copy of the demo project without its pictures, with a run."""
    folder = shutil.copytree(demo_run, tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with the stores train and test of made-up embeddings."""
    made = Workspace(tmp_path / "work")
    import_split(made, "train")
    import_split(made, "test", n_rows=20, seed=7)
    return made


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """A free port, where every process that is started from now on looks for S3."""
    with socket.socket() as free, pytest.MonkeyPatch.context() as patch:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "made-up")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        free.close()
        yield port


@pytest.fixture(scope="session")
def s3_server(s3_port: int) -> Iterator[S3]:
    """An S3, which the fixture `s3` starts."""
    pytest.importorskip("moto.server", reason="needs moto")
    pytest.importorskip("s3fs", reason="needs mmfeat[s3]")
    from tests.support.s3 import S3  # noqa: PLC0415 - for the tests of addresses alone

    server = S3(s3_port)
    yield server
    server.stop()


@pytest.fixture
def s3(s3_server: S3) -> S3:
    """An S3 with an empty bucket."""
    s3_server.reset()
    return s3_server


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, started once."""
    from benchmarks.browser import open_browser  # noqa: PLC0415 - selenium, for the pages alone

    with open_browser(tmp_path_factory.mktemp("profile")) as started:
        yield started
