"""Pages that show commands with their output, followed as a reader does."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

from mmfeat_cli.main import app

BLOCK = re.compile(r"^```(console|python|toml)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
LEFT_OUT = re.compile(r"^…$", re.MULTILINE)
ON_THE_WAY = re.compile(r"^.*/s, \d+ s left\n", re.MULTILINE)  # on slow machines
VARIES = (  # from machine to machine: names of runs, the kind of a decision, ties, all but counts
    (re.compile(r"-[0-9a-f]{8}\b"), "-#"),
    (re.compile(r"decided by [^,]*,"), "decided by #,"),
    (re.compile(r"[-+]?\d+\.\d+|\d[\d,]*/s"), "#"),
    (re.compile(r"# +(yes|no)\b"), "# #"),
)


class Step(NamedTuple):
    """A command of a page, and what it printed on both streams."""

    command: str
    printed: str
    status: int


def follow(page: str, folder: Path, run: Callable[[str], Step]) -> Iterator[Step]:
    """Follow a page in `folder`, command by command, and check what it shows of the output."""
    for kind, text in BLOCK.findall(page):
        if kind == "toml":
            (folder / "mmfeat.toml").write_text(text)
        elif kind == "python":
            subprocess.run([sys.executable, "-c", text], cwd=folder, check=True)
        else:
            for command, shown in COMMAND.findall(text):
                step = run(command)
                check_shown(shown, step)
                yield step


def replaced(text: str, instead: Mapping[str, str]) -> str:
    """Text with other text in place of what patterns find, for example what a test can afford."""
    for pattern, new in instead.items():
        text = re.sub(pattern, new, text, flags=re.MULTILINE)
    return text


def check_shown(shown: str, step: Step) -> None:
    """Check that what the page shows was printed, in its order."""
    rest = plain(ON_THE_WAY.sub("", step.printed))
    for piece in filter(None, map(plain, LEFT_OUT.split(shown))):
        _, found, rest = rest.partition(piece)
        assert found, f"{step.command} printed\n{step.printed}\nand the page shows\n{piece}"


def plain(text: str) -> str:
    """Text without line ends and without what varies."""
    for what, instead in VARIES:
        text = what.sub(instead, text)
    return " ".join(text.split())


def run_here(arguments: Sequence[str]) -> tuple[str, int]:
    """Run mmfeat in this process; give what a terminal would show, and its status."""
    with redirect_stdout(io.StringIO()) as printed, redirect_stderr(printed):
        try:
            app(list(arguments))
        except SystemExit as end:
            return printed.getvalue(), int(end.code or 0)
    raise AssertionError("commands end with a status")
