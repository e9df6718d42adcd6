"""Stage one against a plain open_clip loop, side by side in one run; its memory; large tables.

    python -m benchmarks.extract.extract --photos DIR --captions train.csv

The plain loop is what people write: Pillow, open_clip's own transform and tokenizer, float32,
batches of 64. Photographs are repeated as files of their own, so that none is encoded twice.
What is timed, in turns in each of three rounds: the plain loop on 128 photographs and on 2,048
captions, another part of the table in each round (all 30,000 would take it a quarter of an hour);
ours on all files and on all captions, from the table to a finished store.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image

from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat.config import DataSettings, ExtractSettings
from mmfeat.extract import extract_table
from mmfeat.extract.encoders import Encoder, load_encoder
from mmfeat.tables import read_table
from mmfeat.tables.table import Table

BATCH = 64
MODEL = "ViT-B-32"
IMAGE_ROUNDS, CAPTION_ROUNDS = 5, 3
PLAIN_IMAGES, PLAIN_CAPTIONS = 128, 2048  # of the plain loop in a round
OPERATIONS = 2 * 4.4e9  # of ViT-B-32's image tower at 224 pixels, per image


def make_photos(source: Path, folder: Path, n_files: int) -> list[str]:
    """Copy the photographs until there are `n_files`; the name after the end makes each its own."""
    originals = sorted(source.iterdir())
    folder.mkdir()
    names = [f"{i:06d}.jpg" for i in range(n_files)]
    for i, name in enumerate(names):
        (folder / name).write_bytes(originals[i % len(originals)].read_bytes() + name.encode())
    return names


def table_of(names: Sequence[str], captions: Sequence[str] | None = None) -> Table:
    """Make a table of images, or of captions."""
    return Table(
        ids=tuple(names),
        image_paths=tuple(names),
        captions=None if captions is None else tuple(captions),
        targets=None,
        labels=(),
        source="benchmark",
        sha256="",
    )


def plain_images(model: Any, transform: Callable[..., Any], files: Sequence[Path]) -> Any:
    """The loop that people write."""
    found = []
    with torch.no_grad():
        for start in range(0, len(files), BATCH):
            batch = [transform(Image.open(file)) for file in files[start : start + BATCH]]
            found.append(model.encode_image(torch.stack(batch)).numpy())
    return np.concatenate(found)


def plain_captions(model: Any, captions: Sequence[str]) -> Any:
    """The loop that people write."""
    tokenizer = open_clip.get_tokenizer(MODEL)
    found = []
    with torch.no_grad():
        for start in range(0, len(captions), BATCH):
            found.append(model.encode_text(tokenizer(captions[start : start + BATCH])).numpy())
    return np.concatenate(found)


def rate(count: int, work: Callable[[], object]) -> float:
    """How many a second."""
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


class Stage:
    """Extraction into a store of its own, each time from nothing."""

    def __init__(self, encoder: Encoder, images: Path, folder: Path) -> None:
        self.encoder, self.images, self.folder = encoder, images, folder
        self.count = 0

    def __call__(self, table: Table, modality: str, **options: Any) -> Path:
        self.count += 1
        out = self.folder / f"{self.count}.h5"
        extract_table(
            table,
            images=self.images,
            encoder=self.encoder,
            out=out,
            settings=ExtractSettings(modalities=(modality,), **options),
        )
        return out


def speed(photos: Path, captions: list[str], folder: Path, *, n_files: int) -> Iterator[str]:
    """Images and captions a second, plain and ours, in turns."""
    plain, _, transform = open_clip.create_model_and_transforms(MODEL)
    plain.eval()
    names = make_photos(photos, folder / "photos", n_files)
    files = [folder / "photos" / name for name in names]
    encoder = load_encoder(MODEL, pretrained="random", precision="auto", device="cpu")
    stage = Stage(encoder, folder / "photos", folder)
    pixels = np.random.default_rng(0).integers(
        0, 256, (encoder.batch_sizes["image"], 224, 224, 3), np.uint8
    )
    ids = [str(i) for i in range(len(captions))]
    square = torch.randn(2048, 2048).to(torch.bfloat16)
    clock = Clock()
    few = files[:PLAIN_IMAGES]
    for _ in range(IMAGE_ROUNDS):
        clock.measure("plain images", len(few), lambda: plain_images(plain, transform, few))
        clock.measure(
            "forward", 4 * len(pixels), lambda: [encoder.encode_images(pixels) for _ in range(4)]
        )
        clock.measure("our images", n_files, lambda: stage(table_of(names), "image"))
        clock.measure("peak", 10, lambda: [square @ square for _ in range(10)])
    for round_ in range(CAPTION_ROUNDS if captions else 0):
        part = captions[round_ * len(captions) // CAPTION_ROUNDS :][:PLAIN_CAPTIONS]
        clock.measure("plain captions", len(part), lambda: plain_captions(plain, part))  # noqa: B023
        clock.measure("our captions", len(captions), lambda: stage(table_of(ids, captions), "text"))
    precision = encoder.provenance["precision"]
    yield "| | per second | by processor time | against |"
    yield "|---|---:|---:|---|"
    for name, told, reference in (
        ("plain images", "images, plain loop (float32)", None),
        ("forward", f"images, the encoder's forward alone ({precision})", "plain images"),
        ("our images", f"images, files to store ({precision})", "plain images"),
        ("plain captions", "captions, plain loop (float32, 77 tokens)", None),
        ("our captions", f"captions, table to store ({precision})", "plain captions"),
    )[: None if captions else 3]:
        against = "1"
        if reference:
            wall, cores = clock.ratios(name, reference)
            against = f"**{wall:.1f} times the plain loop** ({cores:.1f} by processor time)"
        wall, cores = clock.medians(name)
        yield f"| {told} | {wall:.1f} | {cores:.1f} | {against} |"
    share, share_of_cores = clock.ratios("our images", "forward")
    peak = clock.medians("peak")[0] * 2 * len(square) ** 3
    arithmetic = clock.medians("forward")[0] * OPERATIONS / peak
    yield (
        f"\nFiles to store run at {share:.0%} of the encoder's own forward rate"
        f" ({share_of_cores:.0%} by processor time), the forward at {arithmetic:.0%} of the"
        f" measured bfloat16 matrix-product rate ({peak / 1e9:.0f} GFLOP/s)."
        f" {n_files} files, of which the plain loop had {PLAIN_IMAGES}, in {IMAGE_ROUNDS} rounds;"
        f" {len(captions)} captions ({len(set(captions))} different), of which it had"
        f" {PLAIN_CAPTIONS}, in {CAPTION_ROUNDS} rounds; measured in turns within each round,"
        " medians of the rounds and of their own ratios. By processor time: items per second of all"
        f" {os.cpu_count()} cores working on nothing else; on a machine that is busy"
        f" with other things (load now {os.getloadavg()[0]:.1f}) it is the steadier measure."
    )


class Clock:
    """Items a second, on the wall and by processor time of this process and its children."""

    def __init__(self) -> None:
        self._wall: dict[str, list[float]] = {}
        self._cores: dict[str, list[float]] = {}

    def measure(self, name: str, count: int, work: Callable[[], object]) -> None:
        """Time `work`, which handles `count` items."""
        wall, used = time.perf_counter(), sum(os.times()[:4])
        work()
        wall, used = time.perf_counter() - wall, sum(os.times()[:4]) - used
        self._wall.setdefault(name, []).append(count / wall)
        self._cores.setdefault(name, []).append(count * (os.cpu_count() or 1) / used)

    def medians(self, name: str) -> tuple[float, float]:
        """Items a second on the wall, and by processor time."""
        return statistics.median(self._wall[name]), statistics.median(self._cores[name])

    def ratios(self, name: str, reference: str) -> tuple[float, float]:
        """How many times as fast as `reference` in the same round: on the wall, by processor."""
        return tuple(  # type: ignore[return-value]
            statistics.median(a / b for a, b in zip(rates[name], rates[reference], strict=True))
            for rates in (self._wall, self._cores)
        )


def memory_of(n_rows: int) -> None:
    """Extract `n_rows` made-up captions in this process and print its peak, in MB."""
    with tempfile.TemporaryDirectory() as name:
        encoder = load_encoder("tiny-demo", pretrained="random", precision="auto", device="cpu")
        table = table_of([str(i) for i in range(n_rows)], [f"number {i}" for i in range(n_rows)])
        before = peak_memory()
        Stage(encoder, Path(name), Path(name))(table, "text")
        print(before, peak_memory())


def peak_memory() -> float:
    """The most this process has held, in MB; unlike ru_maxrss without what its parent held."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise OSError("no VmHWM in /proc/self/status")


def memory() -> Iterator[str]:
    """Peak memory for few and for many captions, each in a process of its own."""
    yield "\n| captions | memory before | peak while extracting |\n|---:|---:|---:|"
    for n_rows in (2_000, 200_000):
        command = [sys.executable, "-m", "benchmarks.extract.extract", "--memory-of", str(n_rows)]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        before, peak = map(float, result.stdout.split())
        yield f"| {n_rows:,} | {before:.0f} MB | {peak:.0f} MB (+{peak - before:.0f}) |"


def tables() -> Iterator[str]:
    """Seconds to read a table of a million rows, whole and with one broken row."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "million.csv"
        with path.open("w") as file:
            file.write("ImageID,Labels,Caption\n")
            for i in range(10**6):
                file.write(f'{i}.jpg,{i % 18} {i % 7},"caption {i}, with ""words"" in it"\n')
        seconds = [1 / rate(1, lambda: read_table(path, data=DataSettings()))]
        with path.open("a") as file:
            file.write('x.jpg,1,"a "broken" row"\n')
        seconds.append(1 / rate(1, lambda: read_table(path, data=DataSettings())))
    yield (
        f"\nA csv of a million rows is read and checked in {seconds[0]:.1f} s,"
        f" with a row to be mended in {seconds[1]:.1f} s."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=existing, help="a folder of JPEG photographs")
    parser.add_argument("--captions", type=existing, help="a table with a column Caption")
    parser.add_argument("--n-files", type=int, default=1908)
    parser.add_argument("--images-only", action="store_true", help="in a section of its own")
    parser.add_argument("--n-captions", type=int, default=30_000)
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        memory_of(options.memory_of)
        return
    if options.photos is None or (options.captions is None and not options.images_only):
        parser.error("name the data with --photos and --captions")
    captions: list[str] = []
    if not options.images_only:
        table = read_table(options.captions, data=DataSettings())
        captions += (table.captions or ())[: options.n_captions]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [
            "## Stage one, images alone" if options.images_only else "## Stage one",
            "",
            f"`python -m benchmarks.extract.extract`: {MODEL} with random weights; {machine()}",
            "",
            *speed(options.photos, captions, folder, n_files=options.n_files),
        ]
        if not options.images_only:
            lines += [*memory(), *tables()]
    write_section("extract-images" if options.images_only else "extract", "\n".join(lines))


if __name__ == "__main__":
    main()
