"""No command runs code of the folder that a user stands in, whatever the modules there are called.

The folder holds a module and a package of every name of the standard library and of every
installed distribution. Each of them leaves a trace as soon as it is executed.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from itertools import chain
from pathlib import Path

import pytest

from mmfeat.demo.data import write_demo_data
from mmfeat.tracking import TRACKERS
from mmfeat_cli.main import COMMANDS
from tests.support.files import put
from tests.support.wrong_uses import SOUND, prepare

SCRIPT = Path(sysconfig.get_path("scripts"), "mmfeat")
NAMES = sorted(
    name
    for name in {
        *sys.stdlib_module_names,
        *importlib.metadata.packages_distributions(),
        *("mmfeat", "mmfeat_cli", "tests", "sitecustomize", "usercustomize"),
    }
    if name.isidentifier()
)
TRACE = """
import sys
with open({trace!r}, "a") as file:
    print({name!r}, "in", sys.orig_argv, file=file)
"""
IMAGES = ("few.csv", "--images", "data")
EXTRACT = ("extract", *IMAGES, "--shard-rows", "3", "--batch-size", "2", "--split", "new")
COMPARE = ("compare", "--heads", "knn", "--folds", "2", "--fusions")
FIT = ("fit", "--head", "knn", "--fusion", "text", "--folds", "2", "--track")
# What makes the run `one` that the sound uses name.
FIRST = (
    ("extract", "--quiet"),
    ("fit", "--head", "knn", "--fusion", "image", "--folds", "2", "--name", "one"),
    ("tune-thresholds", "one"),
)
# Uses that start processes or load more than the sound use of their command.
MORE = (
    ("demo-data", "scenes", "--train", "100", "--test", "3"),
    (*EXTRACT, "--workers", "2"),
    ("predict", "one", "--table", *IMAGES, "--out", "new.csv"),
    (*EXTRACT, "--engine", "ray", "--workers", "1", "--features", "ray"),
    (*COMPARE, "image,text", "--jobs", "2"),
    (*COMPARE, "image,text", "--engine", "ray"),
    *((*FIT, tracker) for tracker in TRACKERS),
    ("report",),
)
TORCHRUN = (sys.executable, "-P", "-m", "torch.distributed.run", "--standalone", "--no-python")
# Many commands in one process, which loads what each of them loads. As the console script, it lies
# in a folder of its own.
COMMANDS_IN_TURN = """
import json, sys
if __name__ == "__main__":
    from mmfeat.demo import job
    job.HEADS, job.FUSIONS = ("logreg",), ("image",)
    quick = ("fit", "--head", "knn")
    job.COMMANDS = [quick if line[0] == "fit" else line for line in job.COMMANDS]
    from mmfeat_cli.main import main
    for line in json.loads(sys.argv[1]):
        sys.argv = ["mmfeat", *line]
        try:
            main()
        except SystemExit as end:
            if end.code:
                sys.exit(f"{line}: {end.code}")
"""


def set_traps(folder: Path, trace: Path) -> None:
    """Put a module and a package of every name into a folder."""
    for name in NAMES:
        text = TRACE.format(trace=str(trace), name=name)
        package = folder / name
        package.mkdir(exist_ok=True)
        for path in (folder / f"{name}.py", package / "__init__.py"):
            path.write_text(text)


def run(*line: object, folder: Path) -> None:
    """Run a program in a folder, in an environment that knows nothing of safe paths."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    command = [str(part) for part in line]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file in which hostile modules leave their traces."""
    return tmp_path_factory.mktemp("trace") / "trace"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, trace: Path) -> Path:
    """A small project in a folder of hostile modules."""
    folder = tmp_path_factory.mktemp("prepared")
    write_demo_data(folder, n_train=200, n_test=10, seed=5)
    prepare(folder)
    set_traps(folder, trace)
    (folder / "wandb").mkdir(exist_ok=True)
    (folder / "wandb/settings").write_text("[default]\nbase_url = http://127.0.0.1:1\n")
    (folder / "matplotlibrc").write_text("text.usetex: True\nbackend: module://json\n")
    (folder / "demo").mkdir()
    set_traps(folder / "demo", trace)
    return folder


@pytest.fixture
def hostile(prepared: Path, trace: Path, tmp_path: Path) -> Path:
    """A copy of the project, before anything left a trace."""
    trace.unlink(missing_ok=True)
    folder = tmp_path / "hostile"
    ignore = shutil.ignore_patterns("pipe")
    shutil.copytree(prepared, folder, symlinks=True, copy_function=os.link, ignore=ignore)
    return folder


def test_the_traps_catch_a_process_that_looks_in_the_folder(hostile: Path, trace: Path) -> None:
    run(sys.executable, "-c", "import json", folder=hostile)
    assert "json" in trace.read_text()


def test_no_command_runs_code_of_its_folder(hostile: Path, trace: Path, tmp_path: Path) -> None:
    uses = {
        command: (command, *arguments, *chain(*options.items()))
        for command, (arguments, options) in SOUND.items()
    }
    assert set(uses) == set(COMMANDS)
    uses["demo"] = ("demo", "demo", "--train", "60", "--test", "20")
    program = put(tmp_path / "mmfeat", COMMANDS_IN_TURN)
    run(sys.executable, program, json.dumps([*FIRST, *uses.values(), *MORE]), folder=hostile)
    assert not trace.exists(), trace.read_text()


def test_no_process_of_torchrun_runs_code_of_its_folder(hostile: Path, trace: Path) -> None:
    run(*TORCHRUN, "--nproc-per-node", 2, SCRIPT, *EXTRACT, "--engine", "torchrun", folder=hostile)
    assert not trace.exists(), trace.read_text()
