"""The file of out-of-fold scores of a run, `scores.h5`."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from mmfeat.core.files import replacing
from mmfeat.runs.seal import damaged
from mmfeat.types import OutOfFold


def write_scores(path: Path, scores: OutOfFold) -> None:
    """Replace `path` by an HDF5 file of ids, labels, folds, oof (float32) and targets."""
    text = h5py.string_dtype("utf-8")
    with replacing(path) as partial, h5py.File(partial, "w") as file:
        file.create_dataset("ids", data=np.array(scores.ids, dtype=object), dtype=text)
        file.create_dataset("labels", data=np.array(scores.labels, dtype=object), dtype=text)
        file.create_dataset("oof", data=scores.probabilities.astype(np.float32))
        file.create_dataset("folds", data=scores.folds.astype(np.int64))
        file.create_dataset("targets", data=scores.targets.astype(np.uint8))


def read_scores(path: Path) -> OutOfFold:
    """Read what `write_scores` wrote; raise `RunError` where the file is missing or broken."""
    try:
        with h5py.File(path, "r") as file:
            return OutOfFold(
                ids=tuple(file["ids"].asstr()[:]),
                labels=tuple(file["labels"].asstr()[:]),
                probabilities=file["oof"][:],
                folds=file["folds"][:],
                targets=file["targets"][:],
            )
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise damaged(path, str(error)) from error


def read_labels(path: Path) -> tuple[str, ...]:
    """Read the labels alone of a file that may be large; raises what `read_scores` raises."""
    try:
        with h5py.File(path, "r") as file:
            return tuple(file["labels"].asstr()[:])
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise damaged(path, str(error)) from error
