"""Many made-up rows in a store, and a matrix that notes what is read of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmfeat.config import DataSettings
from mmfeat.core.workspace import Workspace
from mmfeat.extract.importing import store_embeddings
from mmfeat.fit.training_data import Training, load_training
from mmfeat.store import StoredFeatures
from mmfeat.tables import read_table
from mmfeat.types import FloatArray, IntArray

N_ROWS, WIDTH, N_CLASSES = 3000, 12, 4
LITTLE = 200_000  # bytes: a few hundred rows at once

SETTINGS = {
    "logreg": {},
    "mlp": {"hidden": "32", "epochs": "12", "dropout": "0", "lr": "0.01"},
    "gmlp": {"epochs": "6"},
    "lightgbm": {"trees": "20", "threads": "1"},
}


def import_many_rows(folder: Path) -> Workspace:
    """A store of rows that tell their labels, sorted by the first one; some lack a modality."""
    rng = np.random.default_rng(0)
    targets = (rng.random((N_ROWS, N_CLASSES)) < [0.5, 0.3, 0.2, 0.1]).astype(np.uint8)
    targets = targets[np.argsort(targets[:, 0], kind="stable")]
    for modality in ("image", "text"):
        signal = targets @ rng.normal(size=(N_CLASSES, WIDTH))
        values = (signal + rng.normal(size=(N_ROWS, WIDTH))).astype(np.float16)
        values[rng.choice(N_ROWS, 20, replace=False)] = np.nan
        np.save(folder / f"{modality}.npy", values)
    lines = [" ".join(f"l{label}" for label in np.flatnonzero(row)) for row in targets]
    table = folder / "train.csv"
    table.write_text("\n".join(["ImageID,Labels", *(f"{i},{n}" for i, n in enumerate(lines))]))
    space = Workspace(folder / "work")
    store_embeddings(
        read_table(table, data=DataSettings()),
        {m: folder / f"{m}.npy" for m in ("image", "text")},
        out=space.store("train"),
        encoder_name="made-up",
    )
    return space


class Noted:
    """A matrix that notes how many rows were asked for, at once and in all."""

    def __init__(self, values: FloatArray, buffer_rows: int, *, in_memory: bool = False) -> None:
        self._values, self.buffer_rows, self.in_memory = values, buffer_rows, in_memory
        self.most = self.read = 0

    @property
    def shape(self) -> tuple[int, int]:
        return self._values.shape[0], self._values.shape[1]

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, rows: slice | IntArray, /) -> FloatArray:
        part: FloatArray = self._values[rows]
        self.most, self.read = max(self.most, len(part)), self.read + len(part)
        return part


def load(workspace: Workspace, max_memory: int | None) -> Training:
    """The rows to train on: in memory, or in their files where `max_memory` is given."""
    training = load_training(workspace, "train", (), max_memory)
    assert isinstance(training.features, StoredFeatures) == (max_memory is not None)
    return training
