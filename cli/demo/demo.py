"""`mmfeat demo`: the whole job on made-up scenes, offline."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from mmfeat.config import DEMO_TEST, DEMO_TRAIN
from mmfeat_cli.messages import fail, note, show_messages, without_folds, without_repeats
from mmfeat_cli.options import QuietOption, SceneSeed, TestScenes, TrainScenes
from mmfeat_cli.tables import print_table, print_text

STEPS = {
    "extract": "Turn pictures and captions into vectors by the encoder, once.",
    "fit": "Fit one head on them, judged on folds that it has not seen.",
    "tune-thresholds": "Choose a threshold for each label, on the same folds.",
    "submit": "Label the test rows.",
    "report": "Write a page about all of it.",
}
NEXT = ("init", "extract", "compare")


def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to work in.")] = Path(
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
    note("")
    note("Compare heads on pictures, on captions and on both; the hidden solution judges them.")
    without_folds()
    without_repeats()
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
    print(f"report, a page to open in a browser: {report_of(folder).resolve()}")
    print("next, in a folder with your own table and pictures:")
    for name in NEXT:
        print(f"  {program()} {name}")


def program() -> str:
    """What one types for `mmfeat`: its path where it is not among the programs of the shell."""
    return "mmfeat" if shutil.which("mmfeat") else str(Path(sys.executable).with_name("mmfeat"))


def run_command(folder: Path, *, quiet: bool) -> Callable[[Sequence[str]], None]:
    """A function that runs `mmfeat ARGUMENTS` in `folder` as a user would, showing the line."""

    def command(arguments: Sequence[str]) -> None:
        if not quiet:
            print(f"\n{STEPS[arguments[0]]}\n$ mmfeat {' '.join(arguments)}", file=sys.stderr)
        line = [sys.executable, "-m", "mmfeat_cli", *arguments, *(["--quiet"] if quiet else [])]
        if subprocess.run(line, cwd=folder, check=False).returncode:
            fail(f"every command of the demo must succeed; mmfeat {arguments[0]} failed; see above")

    return command
