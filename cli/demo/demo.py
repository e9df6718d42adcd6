"""`mmfeat demo`: the whole job on made-up scenes, offline."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from mmfeat.config import DEMO_TEST, DEMO_TRAIN
from mmfeat_cli.messages import fail, note, show_messages, without_folds
from mmfeat_cli.options import QuietOption, SceneSeed, TestScenes, TrainScenes
from mmfeat_cli.tables import print_table, print_text


def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder to work in.")] = Path(
        "demo"
    ),
    train: TrainScenes = DEMO_TRAIN,
    test: TestScenes = DEMO_TEST,
    seed: SceneSeed = 0,
    quiet: QuietOption = False,
) -> None:
    """Draw scenes, run the four commands, compare heads and fusions, and write a report."""
    from mmfeat.demo.job import judge_all, prepare, report_of, submission_of

    show_messages(quiet=quiet)
    prepare(folder, n_train=train, n_test=test, seed=seed, command=run_command(folder, quiet=quiet))
    note("\nfitting heads and fusions, judged on the hidden solution")
    without_folds()
    rows, board = judge_all(folder)
    print()
    print_table(
        tuple(rows[0]),
        [[*{**row, "seconds": f"{row['seconds']:.1f}"}.values()] for row in rows],
    )
    print()
    print_text(f"on the training rows, out of fold: {board.verdict()}")
    print(f"submission: {submission_of(folder)}")
    run_command(folder, quiet=quiet)(("report",))
    print(f"report: {report_of(folder)}")


def run_command(folder: Path, *, quiet: bool) -> Callable[[Sequence[str]], None]:
    """A function that runs `mmfeat ARGUMENTS` in `folder` as a user would, showing the line."""

    def command(arguments: Sequence[str]) -> None:
        note(f"\n$ mmfeat {' '.join(arguments)}")
        line = [sys.executable, "-m", "mmfeat_cli", *arguments, *(["--quiet"] if quiet else [])]
        if subprocess.run(line, cwd=folder, check=False).returncode:
            fail(f"every command of the demo must succeed; mmfeat {arguments[0]} failed; see above")

    return command
