"""The file of folds that all runs of a table share."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from mmfeat.core.files import read_json, write_json
from mmfeat.errors import RunError
from mmfeat.types import IntArray


def save_folds(path: Path, folds: IntArray) -> None:
    """Replace `path` by the folds as JSON with their sha256, atomically."""
    document = {"n_folds": int(folds.max()) + 1, "sha256": _sha256(folds), "folds": folds.tolist()}
    write_json(path, document)


def load_folds(path: Path) -> IntArray:
    """Read what `save_folds` wrote; raise `RunError` where it is damaged."""
    try:
        document = read_json(path)
        folds = np.array(document["folds"], dtype=np.int64)
        if document["sha256"] != _sha256(folds):
            raise ValueError("its sha256 differs")
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise RunError(
            "folds are saved as JSON with their sha256", f"{path}: {error}", "remove the file"
        ) from error
    return folds


def _sha256(folds: IntArray) -> str:
    return hashlib.sha256(np.ascontiguousarray(folds, dtype="<i8").tobytes()).hexdigest()
