"""What it costs to check what is read: the sums of reads, with the check and without it.

    python -m benchmarks.extract.checked_reads [--rows 200000] [--folder DIR] [--quick]

Both ways read the same files from the page cache, in turn, in one process. Without the check, the
functions that take sums do nothing.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from unittest.mock import patch

import numpy as np

from benchmarks.extract.large_store import ID, Names
from benchmarks.results import machine, write_section
from mmfeat.core.workspace import Workspace
from mmfeat.demo.made_up import make_run
from mmfeat.runs import seal
from mmfeat.store import SCHEMA, FeatureStore, Status
from mmfeat.store.hdf5.file import StoreFile
from mmfeat.store.layout import BLOCK_ROWS, Block, Rows
from mmfeat.store.writer import write_store

WIDTH, N_LABELS = 512, 100
REPEATS = 9


def write(store: Path, n_rows: int) -> None:
    """A store of images, with random embeddings."""
    rng = np.random.default_rng(0)
    starts = range(0, n_rows, BLOCK_ROWS)
    ids = Names(ID, range(n_rows))
    write_store(
        store,
        rows=Rows(ids=ids, image_paths=ids, captions=None, targets=None, labels=()),
        widths={"image": WIDTH},
        dtype="float16",
        provenance={"schema": SCHEMA, "n_rows": n_rows, "modalities": ["image"]},
        blocks=(block(rng, min(BLOCK_ROWS, n_rows - start)) for start in starts),
    )


def block(rng: np.random.Generator, n_rows: int) -> Block:
    """Some rows of it."""
    return Block(
        embeddings={"image": rng.standard_normal((n_rows, WIDTH), np.float32).astype(np.float16)},
        status={"image": np.full(n_rows, Status.OK, np.uint8)},
        failed=(),
    )


def reads(folder: Path, n_rows: int) -> dict[str, tuple[int, Callable[[], object]]]:
    """Write a store and a run; give the bytes of each kind of read, and the read."""
    store = folder / "train.h5"
    write(store, n_rows)
    labels = [f"label {j}" for j in range(N_LABELS)]
    run = make_run(Workspace(folder), "run", n_rows=n_rows, labels=labels, objective=None)

    def embeddings() -> None:
        with FeatureStore.open(store) as opened:
            opened.embeddings("image")

    def ids() -> None:
        with FeatureStore.open(store) as opened:
            assert opened.ids

    id_bytes = len(ID.format(0)) + 1 + 8  # its end, and its offset
    return {
        "embeddings": (n_rows * WIDTH * 2, embeddings),
        "ids": (n_rows * id_bytes, ids),
        "scores of a run": ((run.folder / "scores.h5").stat().st_size, lambda: run.oof),
    }


def seconds_of(read: Callable[[], object]) -> float:
    """Measure the processor time of one read, to which other work on the machine adds little."""
    started = time.process_time()
    read()
    return time.process_time() - started


def side_by_side(read: Callable[[], object]) -> tuple[float, float]:
    """The median processor seconds of a read with the check and without it, measured in turn."""
    read()
    checked, unchecked = [], []
    for _ in range(REPEATS):
        checked.append(seconds_of(read))
        with ExitStack() as stack:
            stack.enter_context(patch.object(StoreFile, "_check", lambda *_: None))
            stack.enter_context(patch.object(seal, "verify", lambda *_: None))
            unchecked.append(seconds_of(read))
    return median(checked), median(unchecked)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, help="for the files that are read")
    parser.add_argument("--quick", action="store_true", help="10,000 rows, only printed")
    options = parser.parse_args()
    n_rows = 10_000 if options.quick else options.rows
    lines = [
        "| what is read | MB | processor s, checked | unchecked | the check, s per GB |",
        "|---|---:|---:|---:|---:|",
    ]
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        for what, (n_bytes, read) in reads(Path(name), n_rows).items():
            checked, unchecked = side_by_side(read)
            cost = (checked - unchecked) / n_bytes * 1e9
            lines.append(
                f"| {what} | {n_bytes / 1e6:,.0f} | {checked:.3f} | {unchecked:.3f} | {cost:.2f} |"
            )
    section = (
        f"## Checked reads: {n_rows:,} rows\n\n"
        f"`python -m benchmarks.extract.checked_reads --rows {n_rows}`; {machine()}\n\n"
        + "\n".join(lines)
        + f"\n\nEmbeddings of {WIDTH} float16 numbers, ids of {len(ID.format(0))} letters, scores"
        f" of {N_LABELS} labels. A read opens the file, reads from the page cache, and makes of it"
        f" what `fit` or `predict` uses; medians of {REPEATS}, in turn with the check and without."
        " A store is summed while it is read, the scores of a run before they are parsed."
        f" Load now {os.getloadavg()[0]:.1f}."
    )
    if options.quick:
        print(section)
    else:
        write_section("checked_reads", section)


if __name__ == "__main__":
    main()
