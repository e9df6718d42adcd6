"""Kill stage one with SIGKILL at random moments, go on, and compare every byte.

    python -m benchmarks.extract.kill --kills 200

The child is forked with the encoder loaded, so that kills fall into the work and not into the
start of Python. Decoding runs in processes of its own, as it does for users.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.results import machine, write_section
from mmfeat.config import ExtractSettings
from mmfeat.extract import extract_table
from mmfeat.extract.encoders import Encoder, load_encoder
from mmfeat.store.verify import verify_store
from mmfeat.tables.table import Table

FORK = multiprocessing.get_context("fork")
SETTINGS = ExtractSettings(shard_rows=16, batch_size=8, workers=2)


def make_table(images: Path, n_rows: int) -> Table:
    """Made-up pictures and captions, some of them bad, repeated or empty."""
    rng = np.random.default_rng(0)
    names = [f"{row}.jpg" for row in range(n_rows)]
    for row, name in enumerate(names):
        pixels = rng.integers(0, 255, (60, 80, 3), np.uint8)
        if row % 17 != 5:
            Image.fromarray(pixels).resize((320, 240)).save(images / name)
    captions = tuple("" if row % 13 == 4 else f"picture number {row % 70}" for row in range(n_rows))
    return Table(
        ids=tuple(names),
        image_paths=tuple(names),
        captions=captions,
        targets=None,
        labels=(),
        source="kill",
        sha256="",
    )


def run(table: Table, images: Path, encoder: Encoder, out: Path, workers: int) -> None:
    extract_table(
        table, images=images, encoder=encoder, out=out, settings=replace(SETTINGS, workers=workers)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--rows", type=int, default=160)
    options = parser.parse_args()
    torch.set_num_threads(1)  # threads do not survive a fork
    encoder = load_encoder("tiny-demo", pretrained="random", precision="fp32", device="cpu")
    rng = np.random.default_rng(1)
    kills = finished = resumed = differing = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = folder / "images"
        images.mkdir()
        table = make_table(images, options.rows)
        started = time.perf_counter()
        run(table, images, encoder, folder / "whole.h5", 2)
        seconds = time.perf_counter() - started
        whole = (folder / "whole.h5").read_bytes()
        while kills < options.kills:
            out = folder / f"{finished}.h5"
            while True:
                resumed += (folder / f"{out.name}.parts").exists()
                child = FORK.Process(target=run, args=(table, images, encoder, out, 2))
                child.start()
                child.join(float(rng.uniform(0, 0.9 * seconds)))
                if child.is_alive() and child.pid is not None:
                    os.kill(child.pid, signal.SIGKILL)
                    kills += 1
                child.join()
                if child.exitcode == 0:
                    break
                if child.exitcode != -signal.SIGKILL:
                    raise SystemExit("an extraction failed; its error stands above")
            finished += 1
            differing += out.read_bytes() != whole or verify_store(out) != []
            left = {path.name for path in folder.glob(f"*{out.name}*")} - {out.name}
            differing += bool(left)
            out.unlink()
    write_section(
        "kill",
        "## Killed with SIGKILL\n\n"
        f"`python -m benchmarks.extract.kill --kills {options.kills}`; {machine()}\n\n"
        f"{kills} kills at random moments of an extraction of {options.rows} rows"
        f" ({seconds:.1f} s without one), {resumed} of the runs went on with shards that were"
        f" there; {finished} stores were finished,"
        f" **{differing} differ** from the uninterrupted one in any byte or left anything behind.",
    )


if __name__ == "__main__":
    main()
