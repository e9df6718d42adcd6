"""A store of ten million rows: what merging, opening, `mmfeat inspect` and `mmfeat verify` cost.

    python -m benchmarks.extract.large_store [--rows 10000000] [--folder DIR] [--quick]

Shards are written and merged by the product's own code, into one file and into many. Each
measurement is a process of its own that has everything imported; before a cold one the files
leave the page cache.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import overload

import h5py
import numpy as np

from benchmarks.results import machine, write_section
from mmfeat.core.memory import give_back_freed, peak_memory, reset_peak
from mmfeat.store import SCHEMA, FeatureStore, Status
from mmfeat.store.inspect import inspect_store
from mmfeat.store.layout import BLOCK_ROWS, Block, FailedRow, Rows
from mmfeat.store.shards import merge_shards
from mmfeat.store.verify import verify_store
from mmfeat.store.writer import write_shard

ID = "{:09d}.jpg"
WIDTH, N_LABELS, FILES = 8, 20, 10
FAILED = 1000  # one row in so many has no image
TURNS = 6  # the first is cold
SPAWN = get_context("spawn")
Cost = tuple[float, float, float]  # seconds, seconds of the processor, MiB


@dataclass(frozen=True)
class Names(Sequence[str]):
    """Made-up names of many rows, of which only those exist that are asked for."""

    pattern: str
    rows: range

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Names: ...
    def __getitem__(self, at: int | slice) -> str | Names:
        if isinstance(at, slice):
            return Names(self.pattern, self.rows[at])
        return self.pattern.format(self.rows[at])


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
            failed=tuple(
                FailedRow(
                    row=row,
                    modality="image",
                    status=Status.MISSING,
                    reason="there is no such file",
                )
                for row in rows[failed].tolist()
            ),
        )


def write_shards(folder: Path, n_rows: int) -> None:
    """What stage one leaves to be merged."""
    folder.mkdir()
    for number, block in enumerate(blocks(Names(ID, range(n_rows)))):
        path = folder / f"{number:05d}.h5"
        write_shard(path, block, provenance={"schema": SCHEMA}, dtype="float16")


def merge(path: Path, shards: Path, rows_per_file: int | None) -> Cost:
    """Merge the shards into a store; MiB are besides the table, which makes itself up."""
    paths = sorted(shards.iterdir())
    with h5py.File(paths[-1], "r") as last:
        n_rows = (len(paths) - 1) * BLOCK_ROWS + len(last["text/status"])
    targets = np.zeros((n_rows, N_LABELS), np.uint8)
    for label in range(N_LABELS):
        targets[label::N_LABELS, label] = 1
    rows = Rows(
        ids=Names(ID, range(n_rows)),
        image_paths=Names(ID, range(n_rows)),
        captions=Names("the caption of row {}", range(n_rows)),
        targets=targets,
        labels=[f"label {i}" for i in range(N_LABELS)],
    )
    provenance = {"schema": SCHEMA, "n_rows": n_rows, "modalities": ["image", "text"]}
    if rows_per_file is not None:
        provenance["rows_per_file"] = rows_per_file
    return measure(
        lambda: merge_shards(
            paths,
            path,
            rows=rows,
            widths={"image": WIDTH, "text": WIDTH},
            dtype="float16",
            provenance=provenance,
        )
    )


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


def verify(path: Path) -> None:
    """What `mmfeat verify` does."""
    assert verify_store(path) == []


def read_ids(path: Path) -> None:
    """What `fit` and `predict` need besides the embeddings."""
    with FeatureStore.open(path) as store:
        assert len(store.ids) == store.n_rows


def decode_ids(path: Path) -> None:
    """All of them as Python strings, which few need."""
    with FeatureStore.open(path) as store:
        assert len(tuple(store.ids)) == store.n_rows


def read_variable_length(path: Path) -> None:
    """The same ids as stores of schema 1 had them, and as mmfeat read them then."""
    ids: list[str] = []
    with h5py.File(path, "r") as file:
        dataset = file["ids"]
        for start in range(0, len(dataset), BLOCK_ROWS):
            ids += [value.decode("utf-8") for value in dataset[start : start + BLOCK_ROWS]]
    assert len(tuple(ids)) == len(ids)


WAYS: dict[str, Callable[[Path], None]] = {
    "open": open_store,
    "inspect": inspect,
    "verify": verify,
    "ids": read_ids,
    "ids, as Python strings": decode_ids,
}
FORMER = "ids, variable length"


def write_variable_length(path: Path, n_rows: int) -> None:
    """Write ids as stores of schema 1 had them."""
    ids = Names(ID, range(n_rows))
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("ids", (n_rows,), h5py.string_dtype("utf-8"))
        for start in range(0, n_rows, BLOCK_ROWS):
            part = [*ids[start : start + BLOCK_ROWS]]
            dataset[start : start + len(part)] = np.array(part, dtype=object)


def measure(work: Callable[[], None]) -> Cost:
    """Seconds, those of the processor, and MiB above what the process held before."""
    give_back_freed()
    reset_peak()
    before, started, busy = peak_memory(), time.perf_counter(), time.process_time()
    work()
    seconds, processor = time.perf_counter() - started, time.process_time() - busy
    return seconds, processor, (peak_memory() - before) / 2**20


@dataclass
class Job:
    """Something that is done with a store, and what it took."""

    store: str
    what: str
    path: Path
    costs: list[Cost] = field(default_factory=list)

    def run(self) -> None:
        """Do it once, in a process of its own."""
        work = partial(WAYS.get(self.what, read_variable_length), self.path)
        with SPAWN.Pool(1) as pool:
            self.costs.append(pool.apply(measure, (work,)))

    @property
    def processor(self) -> float:
        """Seconds of the processor of a warm run."""
        return median(processor for _, processor, _ in self.costs[1:])

    @property
    def line(self) -> str:
        """A line of the table."""
        (cold, *warm), _, memory = zip(*self.costs, strict=True)
        seconds = f"{cold:.3f} | {median(warm):.3f} | {self.processor:.3f}"
        return f"| {self.store} | {self.what} | {seconds} | {max(memory):,.0f} |"


def run_in_turns(jobs: Sequence[Job]) -> None:
    """Do all `TURNS` times; what else the machine does meets all of them alike."""
    for turn in range(TURNS):
        for job in jobs:
            if turn == 0:
                forget(job.path)
            job.run()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="on the disk that is measured")
    parser.add_argument("--quick", action="store_true", help="200,000 rows, only printed")
    options = parser.parse_args()
    n_rows = 200_000 if options.quick else options.rows
    lines = ["| store | | cold, s | warm, s | processor, s | MiB |", "|---|---|--:|--:|--:|--:|"]
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder, jobs, size = Path(name), list[Job](), []
        write_shards(folder / "shards", n_rows)
        for store, per_file in (("one file", None), (f"{FILES} files", n_rows // FILES)):
            path = folder / f"{store}.h5"
            with SPAWN.Pool(1) as pool:
                seconds, busy, memory = pool.apply(merge, (path, folder / "shards", per_file))
            lines.append(f"| {store} | merge | | {seconds:.1f} | {busy:.1f} | {memory:,.0f} |")
            files = [path] if per_file is None else [*path.with_suffix("").iterdir()]
            size.append(sum(file.stat().st_size for file in files))
            jobs += [Job(store, what, path) for what in WAYS]
        looked_at = inspect_store(path)["rows_looked_at"]
        former = Job("schema 1", FORMER, folder / "former.h5")
        write_variable_length(former.path, n_rows)
        run_in_turns([*jobs, former])
    lines += [job.line for job in (*jobs, former)]
    faster = {
        what: " and ".join(
            f"{former.processor / job.processor:.1f}" for job in jobs if job.what == what
        )
        for what in WAYS
    }
    section = (
        f"## A store of {n_rows:,} rows\n\n"
        f"`python -m benchmarks.extract.large_store --rows {n_rows}`; {machine()}\n\n"
        + "\n".join(lines)
        + f"\n\n{n_rows:,} rows of {WIDTH} + {WIDTH} float16 numbers, ids, paths, captions,"
        f" {N_LABELS} labels, {n_rows // FAILED:,} failed rows; {size[0] / 1e9:.2f} GB as one"
        f" file, {size[1] / 1e9:.2f} GB as {FILES}. `merge` is of shards of {BLOCK_ROWS:,} rows;"
        " `open` checks the layout and reads the labels and the digest; `inspect` counts statuses"
        f" exactly and looks at the embeddings of {looked_at:,} rows; `verify` reads everything;"
        " `ids` reads and checks all of them and makes no strings, for few need more than some of"
        " them. By time of the processor, warm, that is"
        f" {faster['ids']} times faster than the variable-length strings of schema 1 are read, and"
        f" {faster['ids, as Python strings']} times with a string of each."
        " Cold: after the pages of the files were given back, once; warm: the median of five, all"
        " in turns. MiB: the most above what the process held before; of merging, above the"
        " table's targets."
        f" Load now {os.getloadavg()[0]:.1f}."
    )
    if options.quick:
        print(section)
    else:
        write_section("large_store", section)


if __name__ == "__main__":
    main()
