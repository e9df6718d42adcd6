"""What precision and decoding cost: cosines to Pillow + open_clip's transform + float32.

python -m benchmarks.extract.fidelity --photos DIR --captions train.csv
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
from numpy.typing import NDArray

from benchmarks.extract.extract import MODEL, Stage, plain_captions, plain_images, table_of
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat.config import DataSettings, ExtractSettings
from mmfeat.extract import extract_table
from mmfeat.extract.encoders import Encoder, load_encoder
from mmfeat.extract.guard import Refusal
from mmfeat.extract.images.read import decode_image
from mmfeat.extract.images.sources import open_images
from mmfeat.store import FeatureStore
from mmfeat.tables import read_table


def cosines(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Row by row."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    found: NDArray[Any] = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return found


def fidelity(photos: Path, captions: list[str], folder: Path) -> Iterator[str]:
    """Cosine to Pillow + open_clip's transform + float32 with the same random weights."""
    names = [path.name for path in sorted(photos.iterdir())]
    exact = load_encoder(MODEL, pretrained="random", precision="fp32", device="cpu")
    model, _, transform = open_clip.create_model_and_transforms(MODEL)
    model.load_state_dict(exact._model.state_dict())  # type: ignore[attr-defined]
    model.eval()
    wanted = {
        "image": plain_images(model, transform, [photos / name for name in names]),
        "text": plain_captions(model, captions),
    }
    yield "| tower | precision | decode | minimum | 0.1 % | median |"
    yield "|---|---|---|---:|---:|---:|"
    for precision in ("fp32", "bf16"):
        encoder = load_encoder(MODEL, pretrained="random", precision=precision, device="cpu")
        stage = Stage(encoder, photos, folder / f"fidelity-{precision}")
        for modality, decode in (("image", "exact"), ("image", "fast"), ("text", "")):
            ids = list(map(str, range(len(captions))))
            table = table_of(names) if decode else table_of(ids, captions)
            out = stage(table, modality, **({"decode": decode} if decode else {}))
            with FeatureStore.open(out) as store:
                found = cosines(store.embeddings(modality), wanted[modality])
            low = np.quantile(found, [0, 0.001, 0.5])
            yield (
                f"| {modality} | {precision} | {decode or '—'} | {low[0]:.6f} | {low[1]:.6f}"
                f" | {low[2]:.6f} |"
            )
    found = cosines(retried(exact, photos, folder / "some"), wanted["image"])
    yield (
        f"| image | fp32 | exact, a fifth by `--retry-failed` | {found.min():.6f} |"
        f" {np.quantile(found, 0.001):.6f} | {np.median(found):.6f} |"
    )
    yield f"\n{len(names)} photographs, {len(captions)} captions, as stored (float16)."


def retried(encoder: Encoder, photos: Path, folder: Path) -> NDArray[Any]:
    """Image embeddings where every fifth file was missing at first and came with --retry-failed."""
    files = sorted(photos.iterdir())
    late = files[::5]
    folder.mkdir()
    for batch in ([file for file in files if file not in late], late):
        for file in batch:
            (folder / file.name).write_bytes(file.read_bytes())
        summary = extract_table(
            table_of([file.name for file in files]),
            images=folder,
            encoder=encoder,
            out=folder.with_suffix(".h5"),
            settings=ExtractSettings(modalities=("image",)),
            retry_failed=batch is late,
        )
    with FeatureStore.open(summary.path) as store:
        return store.embeddings("image")


def decoding(photos: Path) -> Iterator[str]:
    """Photographs a second that one core decodes and transforms, in its own time."""
    encoder = load_encoder(MODEL, pretrained="random", precision="fp32", device="cpu")
    assert encoder.preprocessing is not None
    names = [path.name for path in sorted(photos.iterdir())]
    told = []
    for fast in (False, True):
        started = time.process_time()
        for content in open_images(photos).read(names):
            decoded = decode_image(
                content,
                preprocessing=encoder.preprocessing,
                max_pixels=10**8,
                fast=fast,
            )
            assert not isinstance(decoded, Refusal)
        told.append(len(names) / (time.process_time() - started))
    yield (
        f"\nOne core decodes and transforms {told[0]:.0f} such photographs a second"
        f" (`--decode exact`), {told[1]:.0f} with `--decode fast`."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--photos", type=existing, required=True, help="a folder of JPEG photographs"
    )
    parser.add_argument(
        "--captions", type=existing, required=True, help="a table with a column Caption"
    )
    parser.add_argument("--n-captions", type=int, default=2_000)
    options = parser.parse_args()
    table = read_table(options.captions, data=DataSettings())
    captions = list(table.captions or ())[: options.n_captions]
    with tempfile.TemporaryDirectory() as name:
        lines = [
            "## Fidelity of stage one",
            "",
            f"`python -m benchmarks.extract.fidelity`: {MODEL} with random weights; {machine()}",
            "",
            *fidelity(options.photos, captions, Path(name)),
            *decoding(options.photos),
        ]
    write_section("fidelity", "\n".join(lines))


if __name__ == "__main__":
    main()
