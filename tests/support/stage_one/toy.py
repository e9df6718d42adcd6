"""What the tests of stage one share: a small table with pictures, and an encoder without torch."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mmfeat.config import DataSettings, ExtractSettings
from mmfeat.extract.encoders import Encoder, Preprocessing
from mmfeat.extract.encoders.base import Pixels, Tokenized, Tokens
from mmfeat.fit.training_data import Training
from mmfeat.tables import read_table
from mmfeat.tables.table import Table
from mmfeat.types import Features, FloatArray

CAPTIONS = ("a red bus", "two cats on a sofa", "", "a red bus", "a very long caption " * 4)
ODD_CAPTIONS = [
    "a cat",
    "two dogs run on a beach",
    "",
    "a very long caption, " * 40,
    "Ünïcödé & <b>html</b> 🚌",
    "a man rides a wave on top of a surfboard in the blue ocean",
]
SETTINGS = ExtractSettings(shard_rows=5, batch_size=4, workers=0)


class ToyEncoder(Encoder):
    """Embeds pictures by their mean colours and captions by their letters."""

    dims = dict.fromkeys(("image", "text"), 6)
    batch_sizes = dict.fromkeys(("image", "text"), 4)
    preprocessing = Preprocessing(size=(8, 8), mean=(0.5,) * 3, std=(0.5,) * 3)

    def __init__(self, *, seconds: float = 0.0, name: str = "toy") -> None:
        self.provenance = {"name": name, "weights_sha256": "0" * 64}
        self.seconds = seconds
        self.n_images = self.n_captions = 0

    def encode_images(self, pixels: Pixels) -> FloatArray:
        time.sleep(self.seconds)
        self.n_images += len(pixels)
        means = pixels.reshape(len(pixels), -1, 3).mean(axis=1)
        # the size of the batch leaves a trace, so that a batch of other rows is noticed
        return np.hstack([means, means + len(pixels) / 64]).astype(np.float32)

    def tokenize(self, captions: Sequence[str]) -> Tokenized:
        tokens = np.zeros((len(captions), 24), np.int64)
        for row, caption in enumerate(captions):
            letters = [ord(c) % 97 + 1 for c in caption[:24]]
            tokens[row, : len(letters)] = letters
        lengths = np.array([len(caption) for caption in captions])
        return Tokenized(
            tokens=tokens,
            lengths=np.minimum(lengths, 24),
            truncated=(lengths > 24).astype(np.uint8),
        )

    def encode_tokens(self, tokens: Tokens) -> FloatArray:
        time.sleep(self.seconds)
        self.n_captions += len(tokens)
        return (tokens[:, :6] + len(tokens) / 64).astype(np.float32)


class ToyPairs(ToyEncoder):
    """Embeds pictures of several shapes with their captions; its own batch leaves no trace."""

    dims, batch_sizes = {"joint": 9}, {"joint": 4}
    preprocessing = Preprocessing(
        size=(8, 8), resize_mode="bounded", longest=20, divisor=4, mean=(0.5,) * 3, std=(0.5,) * 3
    )

    def __init__(self, *, most: int | None = None) -> None:
        super().__init__(name="toy-pairs")
        self.most = most  # pairs, after which it raises Ctrl-C's exception
        self.shapes: list[tuple[int, ...]] = []

    def tokenize(self, captions: Sequence[str]) -> Tokenized:
        assert captions, "tokenizers of transformers take no empty list"
        return super().tokenize(captions)

    def encode_pairs(self, pixels: Pixels, tokens: Tokens) -> FloatArray:
        if self.most is not None and sum(shape[0] for shape in self.shapes) >= self.most:
            raise KeyboardInterrupt
        self.shapes.append(pixels.shape)
        means = pixels.reshape(len(pixels), -1, 3).mean(axis=1)
        return np.hstack([means, tokens[:, :6]]).astype(np.float32)


def make_picture(path: Path, *, seed: int, size: tuple[int, int] = (24, 16)) -> None:
    """Write one small random JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).resize(size).save(path, format="JPEG", quality=90)


def make_table(folder: Path, *, n_rows: int = 12) -> Table:
    """Write `n_rows` pictures with captions and labels below `folder` and read the table."""
    rows = []
    for row in range(n_rows):
        make_picture(folder / "images" / f"{row}.jpg", seed=row)
        rows.append((f"{row}.jpg", f"{row % 3} {3 + row % 2}", CAPTIONS[row % len(CAPTIONS)]))
    return write_table(folder / "table.csv", rows)


def write_table(path: Path, rows: Sequence[Sequence[str]]) -> Table:
    """Write ids, labels and captions as csv and read the table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("ImageID", "Labels", "Caption"), *rows])
    return read_table(path, data=DataSettings())


def features_of(training: Training) -> Features:
    """The features of a fit, which are in memory."""
    assert isinstance(training.features, Features)
    return training.features
