"""Stage one on a GPU: images a second from JPEG files, and the share of the card's own rate.

    python -m benchmarks.extract.gpu --photos DIR

The card's rate is that of a large bfloat16 matrix product in the same run. Without a GPU nothing
is measured and nothing written.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.extract.extract import Stage, make_photos, rate, table_of
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat.extract.encoders import load_encoder

MODELS = ("ViT-B-32", "ViT-L-14")
SIDE = 8192  # of the square matrices
N_PRODUCTS = 50
N_BATCHES = 20


def peak(device: str = "cuda", dtype: torch.dtype = torch.bfloat16, side: int = SIDE) -> float:
    """Floating-point operations a second of large matrix products."""
    square = torch.randn(side, side, device=device).to(dtype)

    def multiply() -> None:
        for _ in range(N_PRODUCTS):
            torch.mm(square, square)
        if device == "cuda":
            torch.cuda.synchronize()

    multiply()
    return rate(N_PRODUCTS, multiply) * 2 * side**3


def measure(
    model: str, photos: Path, names: list[str], folder: Path, *, device: str
) -> tuple[int, float, float, int]:
    """The batch, images a second of the forward alone and of files to store, operations each."""
    encoder = load_encoder(model, pretrained="random", precision="auto", device=device)
    assert encoder.preprocessing is not None
    shape = (encoder.batch_sizes["image"], *encoder.preprocessing.size, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    torch.backends.mha.set_fastpath_enabled(False)  # one operation that is not counted
    with FlopCounterMode(display=False) as counter:
        encoder.encode_images(pixels[:1])
    torch.backends.mha.set_fastpath_enabled(True)
    stage = Stage(encoder, photos, folder / model)
    stage(table_of(names[: len(pixels)]), "image")  # warm
    forward = rate(
        N_BATCHES * len(pixels),
        lambda: list(encoder.encode_image_batches(repeat(pixels, N_BATCHES))),
    )
    files = rate(len(names), lambda: stage(table_of(names), "image"))
    operations: int = counter.get_total_flops()
    return len(pixels), forward, files, operations


def rows(photos: Path, *, n_files: int) -> Iterator[str]:
    """One row per model."""
    top = peak()
    yield "| model | batch | forward, images/s | of the card's rate | files to store | of it |"
    yield "|---|---:|---:|---:|---:|---:|"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = make_photos(photos, folder / "photos", n_files)
        for model in MODELS:
            batch, forward, files, operations = measure(
                model, folder / "photos", names, folder, device="cuda"
            )
            yield (
                f"| {model} | {batch} | {forward:.0f} | {forward * operations / top:.0%}"
                f" | {files:.0f} | {files * operations / top:.0%} |"
            )
    yield f"\n{n_files} photographs; bfloat16 matrix products run at {top / 1e12:.0f} TFLOP/s."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--photos", type=existing, required=True, help="a folder of JPEG photographs"
    )
    parser.add_argument("--n-files", type=int, default=20_000)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("there is no GPU here: nothing was measured")
    lines = [
        "## Stage one on a GPU",
        "",
        f"`python -m benchmarks.extract.gpu`: random weights; {torch.cuda.get_device_name()};"
        f" {machine()}",
        "",
        *rows(options.photos, n_files=options.n_files),
    ]
    write_section("gpu", "\n".join(lines))


if __name__ == "__main__":
    main()
