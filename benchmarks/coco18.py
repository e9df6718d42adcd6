"""Captions of COCO with 18 labels: sentence features and targets, for benchmarks."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from mmfeat.config import DataSettings
from mmfeat.tables import read_table
from mmfeat.types import Features

N_TRAIN = 25_000


def read_coco18(folder: Path) -> Features:
    """Read train.csv and text_minilm_fp16.npy, aligned with it; end with a line without them."""
    table, array = folder / "train.csv", folder / "text_minilm_fp16.npy"
    for path in (table, array):
        if not path.is_file():
            sys.exit(f"error: this benchmark needs {path.name}; {path} is missing; name its folder")
    read = read_table(table, data=DataSettings())
    return Features(
        ids=read.ids,
        embeddings={"text": (np.load(array),)},
        targets=read.targets,
        labels=read.labels,
    )


def split(features: Features) -> tuple[Features, Features]:
    """The first `N_TRAIN` rows to train on, the others to judge."""
    rows = np.arange(features.n_rows)
    return features.take(rows[:N_TRAIN]), features.take(rows[N_TRAIN:])
