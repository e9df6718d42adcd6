"""`mmfeat demo-data`: made-up scenes with captions, as files on Kaggle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmfeat.config import DEMO_TEST, DEMO_TRAIN
from mmfeat_cli.messages import note, show_messages
from mmfeat_cli.options import QuietOption, SceneSeed, TestScenes, TrainScenes


def demo_data(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write to.")],
    train: TrainScenes = DEMO_TRAIN,
    test: TestScenes = DEMO_TEST,
    seed: SceneSeed = 0,
    quiet: QuietOption = False,
) -> None:
    """Write synthetic scenes: tables, images, solution.csv and mmfeat.toml."""
    from mmfeat.demo.data import write_demo_data

    show_messages(quiet=quiet)
    write_demo_data(folder, n_train=train, n_test=test, seed=seed)
    note(f"wrote {train} training and {test} test scenes to {folder}")
