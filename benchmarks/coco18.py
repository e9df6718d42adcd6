"""Captions of COCO with 18 labels: sentence features and targets, for benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mmfeat.types import Features

N_TRAIN = 25_000


def read_coco18(folder: Path) -> Features:
    """Read train.csv and text_minilm_fp16.npy, aligned with it, from `folder`."""
    table = pd.read_csv(folder / "train.csv", dtype=str, keep_default_na=False)
    labels = sorted({name for row in table.Labels for name in row.split()}, key=int)
    sets = [set(row.split()) for row in table.Labels]
    targets = np.array([[name in row for name in labels] for row in sets], dtype=np.uint8)
    return Features(
        ids=tuple(table.ImageID),
        image=(),
        text=(np.load(folder / "text_minilm_fp16.npy"),),
        targets=targets,
        labels=tuple(labels),
    )


def chosen(features: Features, start: int, stop: int) -> Features:
    """The rows from `start` to `stop`."""
    assert features.targets is not None
    return Features(
        ids=features.ids[start:stop],
        image=(),
        text=tuple(part[start:stop] for part in features.text),
        targets=features.targets[start:stop],
        labels=features.labels,
    )
