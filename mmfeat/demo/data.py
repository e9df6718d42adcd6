"""The files of the demo as Kaggle lays them out: tables, images, a sample and the solution."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import starmap
from pathlib import Path

import numpy as np

from mmfeat.core.files import write_text
from mmfeat.core.parallel import process_pool
from mmfeat.demo.captions import describe
from mmfeat.demo.scenes import draw_scene, make_scene
from mmfeat.demo.things import THINGS
from mmfeat.errors import ConfigError

STREAM = 0x64656D6F  # of random numbers for the demo; the bundled encoder was trained on another
SPLITS = ("train", "test")
CHUNK = 64  # scenes that a process draws at a time
MOST = 200_000  # scenes; that many take an hour

SETTINGS = """\
# The settings of this project; a flag of the command line overrides them.

[data]
images = "data"

[splits]
train = "train.csv"
test = "test.csv"

[extract]
model = "tiny-demo"  # for demonstrations; for photographs e.g. "ViT-L-14"
label_prompts = "prompts.csv"

[fit]
folds = 4

[submit]
sample = "sample_submission.csv"
"""


def write_demo_data(folder: Path, *, n_train: int, n_test: int, seed: int) -> None:
    """Write synthetic scenes into `folder`; the same arguments give the same bytes.

    The files: `train.csv` (ImageID, Labels, Caption), `test.csv` (ImageID, Caption),
    `data/*.jpg`, `sample_submission.csv` and `solution.csv` (ImageID, Labels),
    `prompts.csv` (label, prompt), `mmfeat.toml`.
    Raises `ConfigError` for too many rows, and where the folder of images holds other files.
    """
    if n_train + n_test > MOST:
        raise ConfigError(
            f"demo data has at most {MOST} rows",
            f"{n_train} and {n_test} are asked for",
            "ask for fewer with --train and --test",
        )
    pictures = folder / "data"
    names = [f"{i}.jpg" for i in range(n_train + n_test)]
    strangers = sorted({p.name for p in pictures.glob("*")} - set(names))
    if strangers:
        raise ConfigError(
            "demo data needs an empty folder, or one with the same demo data",
            f"{pictures} holds {len(strangers)} other files, e.g. {strangers[0]!r}",
            "choose another folder",
        )
    pictures.mkdir(parents=True, exist_ok=True)
    tasks = [
        (pictures / name, seed, split, row)
        for split, (start, count) in enumerate([(0, n_train), (n_train, n_test)])
        for row, name in enumerate(names[start : start + count])
    ]
    if len(tasks) <= CHUNK:  # starting processes takes longer than drawing
        rows = list(starmap(_write_scene, tasks))
    else:
        with process_pool() as pool:
            rows = pool.starmap(_write_scene, tasks, chunksize=CHUNK)
    train = [(name, *row) for name, row in zip(names, rows[:n_train], strict=False)]
    test = [(name, *row) for name, row in zip(names[n_train:], rows[n_train:], strict=True)]
    _write_csv(folder / "train.csv", ("ImageID", "Labels", "Caption"), train)
    _write_csv(
        folder / "test.csv", ("ImageID", "Caption"), [(name, text) for name, _, text in test]
    )
    _write_csv(
        folder / "sample_submission.csv", ("ImageID", "Labels"), [(name, "1") for name, *_ in test]
    )
    _write_csv(
        folder / "solution.csv", ("ImageID", "Labels"), [(name, labels) for name, labels, _ in test]
    )
    prompts = [(thing.label, f"a picture of a {noun}") for thing in THINGS for noun in thing.nouns]
    _write_csv(folder / "prompts.csv", ("label", "prompt"), prompts)
    write_text(folder / "mmfeat.toml", SETTINGS)


def _write_scene(path: Path, seed: int, split: int, row: int) -> tuple[str, str]:
    """Draw one scene into the file `path`; return its labels and its caption."""
    rng = np.random.default_rng([STREAM, seed, split, row])
    scene = make_scene(rng)
    draw_scene(scene, rng).save(path, quality=int(rng.integers(75, 95)))
    return " ".join(scene.labels), describe(scene, rng)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())
