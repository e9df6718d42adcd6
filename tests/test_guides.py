"""The commands of the guides: all are understood, and those that need no weights or servers run."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
from typer.main import get_command

from mmfeat_cli.main import app
from tests.support.pages import replaced, run_here

GUIDES = Path(__file__).parent.parent / "docs" / "guides"
CHEAP = {  # what a test can afford
    r"--heads \S+": "--heads ridge,knn",
    r"--fusions \S+": "--fusions image,concat",
    r" --losses \S+ --seeds \d+": "",
    r"--budget 10m --jobs 2": "--budget 10m",
    r"--trials \d+": "--trials 1",
    r"(search|fit) --head \S+": r"\1 --head ridge",
    r"\bOLD NEW\b": "one two",
}
RUN = {  # pages whose commands run in their order, but for those with these words
    "comparing": ("--features", "--models", "search"),
    "near_copies": (),
    "scale": ("extract", "--engine"),
    "use": ("winner", "--table"),
}


class Line(NamedTuple):
    """A command of a page."""

    page: str
    arguments: tuple[str, ...]


def lines_of(page: Path) -> list[Line]:
    found = re.findall(r"^    (?:\S+=\S+ )?mmfeat (.*)$", page.read_text(), re.MULTILINE)
    return [Line(page.stem, tuple(shlex.split(line, comments=True))) for line in found]


LINES = [line for page in sorted(GUIDES.glob("*.md")) for line in lines_of(page)]


@pytest.mark.parametrize("line", LINES, ids=lambda line: " ".join(line.arguments))
def test_it_is_understood(line: Line) -> None:
    group = get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    with group.make_context("mmfeat", ["--help"], resilient_parsing=True) as context:
        name, command, arguments = group.resolve_command(context, list(line.arguments))
        assert command is not None
        command.make_context(name, arguments, parent=context)


@pytest.mark.parametrize("page", RUN)
def test_it_runs_in_a_project(page: str, fitted_project: Path, demo_project: Path) -> None:
    shutil.copytree(demo_project / "data", "data")
    for name in ("one", "two"):
        assert run_here(["fit", "--head", "knn", "--folds", "2", "--name", name])[1] == 0
    texts = [" ".join(line.arguments) for line in LINES if line.page == page]
    run = [text for text in texts if not any(word in text for word in RUN[page])]
    assert run
    for text in run:
        printed, status = run_here(shlex.split(replaced(text, CHEAP)))
        assert status == 0, (text, printed)
