"""A store of ten million rows: how fast it opens, and what `mmfeat inspect` costs.

    python -m benchmarks.large_store [--rows 10000000] [--folder DIR]

The store is written by the product's own writer, as one file and as many. Each measurement is a
process of its own that has everything imported; before a cold one the files leave the page cache.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import overload

import numpy as np

from benchmarks.results import machine, write_section
from mmfeat.memory import peak_memory, reset_peak
from mmfeat.store import FeatureStore, Status
from mmfeat.store.inspect import inspect_store
from mmfeat.store.layout import BLOCK_ROWS, Block, Problem
from mmfeat.store.write import Rows, write_store

WIDTH, N_LABELS, FILES = 8, 20, 10
FAILED = 1000  # one row in so many has no image
SPAWN = get_context("spawn")


@dataclass(frozen=True)
class Names(Sequence[str]):
    """Made-up names of many rows, of which only those exist that are asked for."""

    pattern: str
    n_rows: int

    def __len__(self) -> int:
        return self.n_rows

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            return [self.pattern.format(row) for row in range(self.n_rows)[at]]
        return self.pattern.format(at)


def blocks(ids: Names) -> Iterator[Block]:
    """Random numbers, with a picture missing now and then."""
    rng = np.random.default_rng(0)
    for start in range(0, len(ids), BLOCK_ROWS):
        rows = np.arange(start, min(start + BLOCK_ROWS, len(ids)))
        image, text = rng.standard_normal((2, len(rows), WIDTH), np.float32).astype(np.float16)
        failed = rows % FAILED == 0
        image[failed] = np.nan
        yield Block(
            embeddings={"image": image, "text": text},
            status={
                "image": np.where(failed, Status.MISSING, Status.OK).astype(np.uint8),
                "text": np.full(len(rows), Status.OK, np.uint8),
            },
            truncated=np.zeros(len(rows), np.uint8),
            problems=tuple(
                Problem(
                    row=row,
                    id=ids[row],
                    modality="image",
                    status=Status.MISSING,
                    reason="there is no such file",
                )
                for row in rows[failed].tolist()
            ),
        )


def write(path: Path, n_rows: int, *, rows_per_file: int | None) -> float:
    """Write the store; give the seconds."""
    ids = Names("{:09d}.jpg", n_rows)
    targets = np.zeros((n_rows, N_LABELS), np.uint8)
    targets[np.arange(n_rows), np.arange(n_rows) % N_LABELS] = 1
    provenance = {"schema": 1, "n_rows": n_rows, "modalities": ["image", "text"]}
    if rows_per_file is not None:
        provenance["rows_per_file"] = rows_per_file
    started = time.perf_counter()
    write_store(
        path,
        rows=Rows(
            ids=ids,
            image_paths=ids,
            captions=Names("the caption of row {}", n_rows),
            targets=targets,
            labels=[f"label {i}" for i in range(N_LABELS)],
        ),
        widths={"image": WIDTH, "text": WIDTH},
        dtype="float16",
        provenance=provenance,
        blocks=blocks(ids),
    )
    return time.perf_counter() - started


def forget(path: Path) -> None:
    """Let the files of the store leave the page cache."""
    folder = path.with_suffix("")
    for file in [path] if path.is_file() else folder.iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def open_store(path: Path) -> None:
    """What every reader begins with."""
    with FeatureStore.open(path) as store:
        assert store.n_rows and store.labels and store.digest


def inspect(path: Path) -> None:
    """What `mmfeat inspect` shows."""
    inspect_store(path)


def read_ids(path: Path) -> None:
    """What `fit` and `predict` need besides the embeddings."""
    with FeatureStore.open(path) as store:
        assert len(store.ids) == store.n_rows


WAYS: dict[str, Callable[[Path], None]] = {"open": open_store, "inspect": inspect, "ids": read_ids}


def measure(what: str, path: Path) -> tuple[float, float]:
    """Seconds, and MiB above what the process held before."""
    reset_peak()
    before, started = peak_memory(), time.perf_counter()
    WAYS[what](path)
    return time.perf_counter() - started, (peak_memory() - before) / 2**20


def tell(path: Path, name: str) -> Iterator[str]:
    """One line per measurement of a store."""
    for what in WAYS:
        seconds, memory = [], 0.0
        forget(path)
        for _ in range(4):  # the first is cold
            with SPAWN.Pool(1) as pool:
                found = pool.apply(measure, (what, path))
            seconds.append(found[0])
            memory = max(memory, found[1])
        warm = sorted(seconds[1:])[1]
        yield f"| {name} | {what} | {seconds[0]:.3f} | {warm:.3f} | {memory:,.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="on the disk that is measured")
    options = parser.parse_args()
    rows = ["| store | | cold, s | warm, s | MiB |", "|---|---|---:|---:|---:|"]
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        path = Path(name) / "train.h5"
        took, size = [], []
        for label, per_file in (("one file", None), (f"{FILES} files", options.rows // FILES)):
            took.append(write(path, options.rows, rows_per_file=per_file))
            files = [path] if per_file is None else [*path.with_suffix("").iterdir()]
            size.append(sum(file.stat().st_size for file in files))
            rows += tell(path, label)
            looked_at = inspect_store(path)["rows_looked_at"]
            path.unlink(missing_ok=True)
    write_section(
        "large_store",
        f"## A store of {options.rows:,} rows\n\n"
        f"`python -m benchmarks.large_store --rows {options.rows}`; {machine()}\n\n"
        + "\n".join(rows)
        + f"\n\n{options.rows:,} rows of {WIDTH} + {WIDTH} float16 numbers, ids, paths, captions,"
        f" {N_LABELS} labels, {options.rows // FAILED:,} problems; {size[0] / 1e9:.2f} GB as one"
        f" file, written in {took[0]:.0f} s, {size[1] / 1e9:.2f} GB as {FILES}, in {took[1]:.0f} s."
        " `open` checks the layout and reads the labels and the digest; `inspect` counts statuses"
        f" exactly and looks at the embeddings of {looked_at:,} rows; `ids` reads all of them, for"
        " comparison. Cold: after the pages of the files were given back, once; warm: the median"
        " of three. MiB: the most above what the process held before. Load now"
        f" {os.getloadavg()[0]:.1f}.",
    )


if __name__ == "__main__":
    main()
