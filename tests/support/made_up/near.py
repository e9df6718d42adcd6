"""Made-up embeddings in which it is known which rows are near-copies."""

from __future__ import annotations

import numpy as np

from mmfeat.config import DataSettings
from mmfeat.core.workspace import Workspace
from mmfeat.extract.importing import store_embeddings
from mmfeat.near.rows import UnitRows
from mmfeat.tables import read_table
from mmfeat.types import Embeddings, Features, FloatArray, IntArray


def vectors(n_rows: int, *, width: int = 64, seed: int = 0, mean: float = 2.0) -> Embeddings:
    """Unrelated vectors (n, d) in a cone, float16: as a CLIP model gives them."""
    rng = np.random.default_rng(seed)
    inner = rng.normal(size=(n_rows, 24)) @ rng.normal(size=(24, width)) / 5
    centre = mean * np.random.default_rng(99).normal(size=width)
    return np.asarray(inner + centre, np.float16)


def nearly(rows: Embeddings, *, noise: float = 0.02, seed: int = 1) -> Embeddings:
    """The same vectors, moved by `noise` of their spread."""
    moved = np.random.default_rng(seed).normal(size=rows.shape)
    return np.asarray(rows + noise * rows.std(axis=0) * moved, np.float16)


def features_of(**embeddings: Embeddings) -> Features:
    """Features with one feature set per modality."""
    n_rows = len(next(iter(embeddings.values())))
    return Features(
        ids=tuple(f"{row}.jpg" for row in range(n_rows)),
        embeddings={name: (array,) for name, array in embeddings.items()},
        targets=None,
        labels=(),
    )


def rows_of(*arrays: Embeddings, kept: IntArray | None = None) -> UnitRows:
    """Those of some arrays, one below the other."""
    whole = np.concatenate(arrays)
    places = np.arange(len(whole)) if kept is None else kept
    return UnitRows(features=features_of(image=whole), modality="image", kept=places)


def all_of(rows: UnitRows) -> FloatArray:
    """All vectors."""
    return rows.take(np.arange(len(rows)))


def store_vectors(
    workspace: Workspace, split: str, rows: Embeddings, *, features: str | None = None
) -> None:
    """Make a store of images with two labels each, of three."""
    folder = workspace.root / "sources"
    folder.mkdir(parents=True, exist_ok=True)
    labels = np.where(rows[:, 0] > np.median(rows[:, 0]), "a b", "b c")
    lines = [f"{split}{row}.jpg,{label}" for row, label in enumerate(labels)]
    table = folder / f"{split}.csv"
    table.write_text("\n".join(["ImageID,Labels", *lines]) + "\n")
    np.save(folder / "image.npy", rows)
    store_embeddings(
        read_table(table, data=DataSettings()),
        {"image": folder / "image.npy"},
        out=workspace.store(split, features),
        encoder_name=features or "x",
    )
