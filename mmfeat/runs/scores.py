"""The file of out-of-fold scores of a run, `scores.h5`.

Its texts have a fixed length, and all of it lies plainly inside the file: a damaged one is an
error, and never a loop in HDF5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from mmfeat.core.files import replacing
from mmfeat.runs.seal import damaged
from mmfeat.store.hdf5.guard import BROKEN, plain_dataset
from mmfeat.store.hdf5.new_file import NewFile, create_hdf5
from mmfeat.types import OutOfFold


def write_scores(path: Path, scores: OutOfFold) -> None:
    """Replace `path` by an HDF5 file of ids, labels, folds, oof (float32), targets and groups."""
    with replacing(path) as partial, create_hdf5(partial) as file:
        _write_texts(file, "ids", scores.ids)
        _write_texts(file, "labels", scores.labels)
        file.write("oof", scores.probabilities, np.float32)
        file.write("folds", scores.folds, np.int64)
        file.write("targets", scores.targets, np.uint8)
        if scores.groups is not None:
            file.write("groups", scores.groups, np.int64)


def read_scores(path: Path) -> OutOfFold:
    """Read what `write_scores` wrote; raise `RunError` where the file is missing or broken."""
    with _open(path) as file:
        return OutOfFold(
            ids=_read_texts(file, "ids"),
            labels=_read_texts(file, "labels"),
            probabilities=plain_dataset(file, "oof")[:],
            folds=plain_dataset(file, "folds")[:],
            targets=plain_dataset(file, "targets")[:],
            groups=plain_dataset(file, "groups")[:] if "groups" in file else None,
        )


def read_labels(path: Path) -> tuple[str, ...]:
    """Read the labels alone of a file that may be large; raises what `read_scores` raises."""
    with _open(path) as file:
        return _read_texts(file, "labels")


@contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r") as file:
            yield file
    except BROKEN as error:
        raise damaged(path, str(error)) from error


def _write_texts(file: NewFile, name: str, texts: Sequence[str]) -> None:
    encoded = [text.encode("utf-8") for text in texts]
    dtype = h5py.string_dtype("utf-8", max(map(len, encoded), default=0) or 1)
    file.write(name, np.array(encoded, dtype), dtype)


def _read_texts(file: h5py.File, name: str) -> tuple[str, ...]:
    texts: NDArray[Any] = plain_dataset(file, name).asstr()[:]
    return tuple(texts.tolist())
