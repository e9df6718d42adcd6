"""Whether `compare --quick` ranks the first three as the whole comparison does, and what both cost.

    OMP_NUM_THREADS=1 python -m benchmarks.quick --data COCO18 --seeds 21 22 23

Tables are the demo's of each seed, and the first and the last 25,000 captions of COCO. Seconds are
of the processor, without imports. A cell of the sketch's first three is right if it is one of the
first three of all rows, or tied with the third: the paired 95 % interval of both contains 0.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np
import torch

from benchmarks.coco18 import N_TRAIN, read_coco18
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat import compare, extract
from mmfeat.compare.board.leaderboard import Entry, Leaderboard, make_leaderboard, name_of
from mmfeat.config import DataSettings
from mmfeat.core.workspace import Workspace
from mmfeat.demo.data import write_demo_data
from mmfeat.extract.importing import store_embeddings
from mmfeat.runs.run import Run
from mmfeat.tables import read_table

LOADED = (lightgbm, torch)  # before anything is measured
N_SCENES, FIRST = 3_000, 3
OBJECTIVE = "macro-f1"
LINEAR = ("ridge", "logreg", "knn")


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with features in its workspace, and what is compared on it."""

    name: str
    workspace: Path
    heads: tuple[str, ...]
    fusions: tuple[str, ...]


def demos(folder: Path, seeds: list[int]) -> Iterator[Table]:
    """The demo's table of each seed."""
    for seed in seeds:
        place = folder / f"demo-{seed}"
        write_demo_data(place, n_train=N_SCENES, n_test=10, seed=seed)
        extract(
            place / "train.csv",
            images=place / "data",
            model="tiny-demo",
            workspace=place / "artifacts",
        )
        yield Table(
            name=f"demo, seed {seed}",
            workspace=place / "artifacts",
            heads=(*LINEAR, "mlp", "gmlp", "lightgbm"),
            fusions=("image", "text", "concat"),
        )


def captions(folder: Path, data: Path) -> Iterator[Table]:
    """The first and the last captions of COCO, with ids of their own."""
    features, table = read_coco18(data), read_table(data / "train.csv", data=DataSettings())
    with (data / "train.csv").open(encoding="utf-8", newline="") as file:
        head, *lines = csv.reader(file)
    for name, first in (("first", 0), ("last", table.n_rows - N_TRAIN)):
        place = folder / name
        place.mkdir(parents=True)
        rows = slice(first, first + N_TRAIN)
        with (place / "train.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(
                [head, *([f"{name}-{i}", *rest] for i, *rest in lines[rows])]
            )
        np.save(place / "text.npy", features.embeddings["text"][0][rows])
        store_embeddings(
            read_table(place / "train.csv", data=DataSettings()),
            {"text": place / "text.npy"},
            out=Workspace(place / "artifacts").store("train"),
            encoder_name="sentences",
        )
        yield Table(
            name=f"COCO, {name} {N_TRAIN:,}",
            workspace=place / "artifacts",
            heads=(*LINEAR, "mlp"),
            fusions=("text",),
        )


def measured(table: Table, *, quick: bool) -> tuple[Leaderboard, float]:
    """The leaderboard, and seconds of processor time."""
    started = time.process_time()
    board = compare(
        heads=table.heads,
        fusions=table.fusions,
        objective=OBJECTIVE,
        quick=quick,
        jobs=1,
        workspace=table.workspace,
    )
    return board, time.process_time() - started


def is_tied(table: Table, one: Entry, other: Entry) -> bool:
    """Whether two entries of all rows are not distinguishable, when only these are compared."""
    runs = [Run(Workspace(table.workspace).run(each.runs[0])) for each in (one, other)]
    return len(make_leaderboard(runs, objective=OBJECTIVE).tied) > 1


def line_of(table: Table) -> str:
    """Both comparisons of a table, as a row of the result."""
    sketched, quick_s = measured(table, quick=True)
    board, whole_s = measured(table, quick=False)
    known = {(entry.head, entry.fusion): entry for entry in board.entries}
    third = board.entries[FIRST - 1]
    chosen = [known[entry.head, entry.fusion] for entry in sketched.entries[:FIRST]]
    right = sum(entry in board.entries[:FIRST] or is_tied(table, entry, third) for entry in chosen)
    is_first = chosen[0] == board.entries[0] or is_tied(table, chosen[0], board.entries[0])
    return (
        f"| {table.name} | {whole_s:.1f} | {quick_s:.1f} | {quick_s / whole_s:.3f}"
        f" | {_told(board.entries[:FIRST])} | {_told(chosen)} | {'yes' if is_first else 'no'}"
        f" | {right} |"
    )


def _told(entries: tuple[Entry, ...] | list[Entry]) -> str:
    """Entries with what they reach on all rows."""
    return ", ".join(f"{name_of(entry)} {entry.nested:.3f}" for entry in entries)


def main() -> None:
    """Compare all tables in both ways, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=existing, required=True)
    parser.add_argument("--seeds", type=int, nargs="*", default=[21, 22, 23])
    options = parser.parse_args()
    lines = [
        "Processor seconds of all rows and of the sketch, and their first three with what they"
        f" reach by {OBJECTIVE} (nested) on all rows. A first one is right if it is first, or tied"
        " with it, on all rows; one of three if it is one of them, or tied with the third.",
        "",
        "| table | all rows, s | sketch, s | share | first three | first three of the sketch"
        " | first is right | of three right |",
        "|---|---:|---:|---:|---|---|---|---:|",
    ]
    with tempfile.TemporaryDirectory(prefix="mmfeat-quick-") as name:
        folder = Path(name)
        for tables in (captions(folder, options.data), demos(folder, options.seeds)):
            for table in tables:
                lines.append(line_of(table))
                print(lines[-1], flush=True)
    write_section("quick-comparison", "\n".join([*lines, "", machine()]))


if __name__ == "__main__":
    main()
