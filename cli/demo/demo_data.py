"""`mmfeat demo-data`: made-up scenes with captions, as files on Kaggle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import QuietOption


def demo_data(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write to.")],
    train: Annotated[int, typer.Option("--train", min=1, help="Number of labelled rows.")] = 6000,
    test: Annotated[int, typer.Option("--test", min=1, help="Number of test rows.")] = 3000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Random seed of the scenes.")] = 0,
    quiet: QuietOption = False,
) -> None:
    """Write synthetic scenes: tables, images, solution.csv and mmfeat.toml."""
    from mmfeat.demo.data import write_demo_data

    show_messages(quiet=quiet)
    write_demo_data(folder, n_train=train, n_test=test, seed=seed)
    note(f"wrote {train} training and {test} test scenes to {folder}")
