"""Stage one by one process, by torchrun and on Ray, side by side; and what many rows would cost.

    python -m benchmarks.extract.scale --photos DIR [--rows 954] [--rounds 3] [--model ViT-B-32]

Measured: seconds of each engine with 1 and 2 workers of one thread each, without loading the
model; the overhead of an engine's shards; the rate at which shards become a store. From these and
a rate of images per GPU, the model at the end extrapolates; its assumptions stand below it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from benchmarks.extract.extract import make_photos, table_of
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat.config import ExtractSettings
from mmfeat.core.cluster import join_cluster
from mmfeat.extract import extract_table, help_extract, load_encoder_for
from mmfeat.extract.encoders import Encoder
from mmfeat.extract.plan import make_plan, rows_of
from mmfeat.extract.repeats import Repeats
from mmfeat.store.layout import Block
from mmfeat.store.shards import merge_shards
from mmfeat.store.writer import write_shard
from mmfeat.tables.table import Table

SHARD_ROWS = 106
MERGED_ROWS, WIDTH = 200_000, 768
SPAWN = get_context("spawn")


@dataclass(frozen=True, kw_only=True)
class Way:
    """An engine with a number of workers."""

    engine: str
    workers: int

    @property
    def name(self) -> str:
        return f"{self.engine}, {self.workers} worker" + "s" * (self.workers > 1)


@dataclass(frozen=True, kw_only=True)
class Job:
    """What every way has to do."""

    model: str
    table: Table
    images: Path


WAYS = (
    Way(engine="local", workers=1),
    Way(engine="torchrun", workers=1),
    Way(engine="torchrun", workers=2),
    Way(engine="ray", workers=1),
    Way(engine="ray", workers=2),
)


class Clock:
    """Notes when the first and the last rows of an extraction were reported."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.reports: list[tuple[float, int]] = []

    def __call__(self, modality: str, done: int, total: int) -> None:
        if done:  # the first report is made before anything starts
            self.reports.append((time.perf_counter() - self.started, done))

    def rate(self) -> float:
        """Rows a second from the first rows on: without the start of processes and models."""
        (begin, first), (end, last) = self.reports[0], self.reports[-1]
        return (last - first) / (end - begin)


def settings_of(way: Way, model: str) -> ExtractSettings:
    """One thread and one decoding process for each worker."""
    return ExtractSettings(
        model=model,
        pretrained="random",
        modalities=("image",),
        batch_size=32,
        workers=1,
        shard_rows=SHARD_ROWS,
        engine=way.engine,
        actors=way.workers,
    )


def help_from(way: Way, job: Job, out: Path, ready: Path) -> None:
    """What a second process of the engine torchrun does, in a process of its own."""
    settings = settings_of(way, job.model)
    encoder = load_encoder_for(settings)
    ready.touch()
    while not out.with_name(f"{out.name}.lock").exists():
        time.sleep(0.01)
    help_extract(job.table, images=job.images, encoder=encoder, out=out, settings=settings)


def run(way: Way, job: Job, out: Path) -> tuple[float, float]:
    """Images a second once everything runs, and seconds in all."""
    settings = settings_of(way, job.model)
    encoder = load_encoder_for(settings)
    helpers = []
    if way.engine == "torchrun" and way.workers == 2:
        ready = out.with_suffix(".ready")
        helpers.append(SPAWN.Process(target=help_from, args=(way, job, out, ready)))
        helpers[0].start()
        while helpers[0].is_alive() and not ready.exists():
            time.sleep(0.05)
    clock = Clock()
    extract_table(
        job.table, images=job.images, encoder=encoder, out=out, settings=settings, progress=clock
    )
    seconds = time.perf_counter() - clock.started
    for helper in helpers:
        helper.join()
    return clock.rate(), seconds


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Medians of one way."""

    rate: float  # images a second
    seconds: float  # in all

    def start(self, n_rows: int) -> float:
        """Seconds in which nothing was encoded: processes start, the store is merged."""
        return max(self.seconds - n_rows / self.rate, 0.0)


def throughput(
    photos: Path, folder: Path, *, n_rows: int, model: str, rounds: int
) -> dict[Way, Measured]:
    """All ways, measured in turns; every one must give the same store."""
    job = Job(
        model=model,
        table=table_of(make_photos(photos, folder / "photos", n_rows)),
        images=folder / "photos",
    )
    found: dict[Way, list[tuple[float, float]]] = {way: [] for way in WAYS}
    stores = set()
    for turn in range(rounds):
        for number, way in enumerate(WAYS):
            out = folder / f"{turn}-{number}.h5"
            found[way].append(run(way, job, out))
            stores.add(out.read_bytes())
            out.unlink()
    if len(stores) > 1:
        raise SystemExit(f"the engines gave {len(stores)} different stores")
    return {
        way: Measured(
            rate=statistics.median(rate for rate, _ in turns),
            seconds=statistics.median(seconds for _, seconds in turns),
        )
        for way, turns in found.items()
    }


def tell(measured: dict[Way, Measured], *, n_rows: int, rounds: int) -> Iterator[str]:
    """The table of all ways."""
    yield "| engine | images per second | against local | seconds in all | of these not encoding |"
    yield "|---|---:|---:|---:|---:|"
    base = measured[WAYS[0]].rate
    for way, found in measured.items():
        yield (
            f"| {way.name} | {found.rate:.1f} | {found.rate / base:.2f} | {found.seconds:.1f}"
            f" | {found.start(n_rows):.1f} |"
        )
    yield (
        f"\n{n_rows} photographs, shards of {SHARD_ROWS} rows, one thread and one decoding process"
        f" per worker, medians of {rounds} rounds in turns on {os.cpu_count()} cores (load now"
        f" {os.getloadavg()[0]:.1f}). Images per second from the first rows to the last; seconds"
        " in all have the start of actors and the merge in them, and not the loading of the model"
        " into the first process. All stores have the same bytes."
    )


def merge_rate(folder: Path, encoder: Encoder) -> float:
    """Rows a second that become a store: made-up shards of images and captions, 768 + 768 wide."""
    ids = [f"{row:09d}.jpg" for row in range(MERGED_ROWS)]
    table = table_of(ids, [f"caption {row}" for row in range(MERGED_ROWS)])
    (folder / "none").mkdir()
    plan = make_plan(table, images=folder / "none", encoder=encoder, settings=ExtractSettings())
    rng = np.random.default_rng(0)
    for shard in plan.shards:
        block = Block(
            embeddings={
                modality: rng.normal(size=(shard.n_rows, WIDTH)).astype(np.float16)
                for modality in plan.modalities
            },
            status={modality: np.ones(shard.n_rows, np.uint8) for modality in plan.modalities},
        )
        write_shard(shard.path(folder), block, provenance=plan.provenance, dtype="float16")
    started = time.perf_counter()
    merge_shards(
        [shard.path(folder) for shard in plan.shards],
        folder / "merged.h5",
        rows=rows_of(table),
        widths=dict.fromkeys(plan.modalities, WIDTH),
        dtype="float16",
        provenance=plan.provenance,
        fill=Repeats(first=plan.first),
    )
    return MERGED_ROWS / (time.perf_counter() - started)


def cost(*, per_gpu: float, merge: float, start: float, price: float) -> Iterator[str]:
    """Hours and GPU hours against rows and GPUs, from measured rates."""
    yield "\n| rows | GPUs | hours of shards | hours of the merge | GPU hours | price | store |"
    yield "|---:|---:|---:|---:|---:|---:|---:|"
    for rows, gpus in ((10**6, 1), (10**7, 8), (10**8, 64), (10**9, 256)):
        making = (start + rows / (per_gpu * gpus)) / 3600
        merging = rows / merge / 3600
        size = rows * 2 * WIDTH * 2 / 1e9
        yield (
            f"| {rows:,} | {gpus} | {making:.2f} | {merging:.2f} | {making * gpus:,.1f}"
            f" | {making * gpus * price:,.0f} | {size:,.0f} GB |"
        )
    yield (
        f"\nA model, not a measurement. Measured here: the merge, {merge:,.0f} rows a second"
        f" ({MERGED_ROWS:,} made-up rows of {WIDTH} + {WIDTH} float16), and {start:.0f} s until a"
        " pool of actors runs. Assumed: a GPU makes"
        f" {per_gpu:,.0f} rows a second (--per-gpu) and an hour of it costs {price:g} (--price);"
        " storage reads and decoding keep up with it; workers do not disturb one another, because"
        " nothing but shard numbers and receipts travels; no row repeats another; every worker"
        " holds the whole table of paths and captions, about 250 bytes a row, which no worker has"
        " at 1e9 rows: such a table is cut into several first; GPUs are given back before the"
        " merge, which one process does."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=existing, required=True, help="a folder of photographs")
    parser.add_argument("--rows", type=int, default=954)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="ViT-B-32")
    parser.add_argument("--per-gpu", type=float, default=1000.0, help="rows a second of one GPU")
    parser.add_argument("--price", type=float, default=2.0, help="of one GPU for an hour")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # of processes that are started
    torch.set_num_threads(1)
    encoder = load_encoder_for(settings_of(WAYS[0], "tiny-demo"))
    join_cluster(None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measured = throughput(
            options.photos,
            folder,
            n_rows=options.rows,
            model=options.model,
            rounds=options.rounds,
        )
        (folder / "shards").mkdir()
        lines = [
            "## Scale",
            "",
            f"`python -m benchmarks.extract.scale`: {options.model} with random weights;"
            f" {machine()}",
            "",
            *tell(measured, n_rows=options.rows, rounds=options.rounds),
            *cost(
                per_gpu=options.per_gpu,
                merge=merge_rate(folder / "shards", encoder),
                start=measured[WAYS[-1]].start(options.rows),
                price=options.price,
            ),
        ]
    write_section("scale", "\n".join(lines))


if __name__ == "__main__":
    main()
