"""The file of out-of-fold scores of a run, `scores.h5`.

Its texts have a fixed length, and all of it lies plainly inside the file: a damaged one is an
error, and never a loop in HDF5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from mmfeat.core.files import replacing
from mmfeat.runs.seal import damaged
from mmfeat.store.hdf5.guard import BROKEN, plain_dataset
from mmfeat.store.hdf5.new_file import NewFile, create_hdf5
from mmfeat.store.layout import BLOCK_ROWS
from mmfeat.store.texts import Texts, encode_texts
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
            labels=tuple(_read_texts(file, "labels")),
            probabilities=plain_dataset(file, "oof")[:],
            folds=plain_dataset(file, "folds")[:],
            targets=plain_dataset(file, "targets")[:],
            groups=plain_dataset(file, "groups")[:] if "groups" in file else None,
        )


def read_labels(path: Path) -> tuple[str, ...]:
    """Read the labels alone of a file that may be large; raises what `read_scores` raises."""
    with _open(path) as file:
        return tuple(_read_texts(file, "labels"))


@contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r") as file:
            yield file
    except BROKEN as error:
        raise damaged(path, str(error)) from error


def _write_texts(file: NewFile, name: str, texts: Sequence[str]) -> None:
    data, offsets = encode_texts(texts)
    width = int(np.diff(offsets).max(initial=2)) - 1  # without the end of a text, and at least 1
    file.create(name, (len(texts),), h5py.string_dtype("utf-8", width))
    for start in range(0, len(texts), BLOCK_ROWS):
        part = offsets[start : start + BLOCK_ROWS + 1]
        cells = np.zeros((len(part) - 1, width + 1), np.uint8)
        cells[np.arange(width + 1) < np.diff(part)[:, None]] = data[part[0] : part[-1]]
        file.append(name, np.frombuffer(cells[:, :width].tobytes(), f"S{width}"), start=start)


def _read_texts(file: h5py.File, name: str) -> Texts:
    cells: NDArray[np.bytes_] = plain_dataset(file, name)[:]
    lengths = np.strings.str_len(cells)
    offsets = np.concatenate([[0], np.cumsum(lengths + 1)])
    data = np.zeros(offsets[-1], np.uint8)
    is_text = np.ones(len(data), np.bool_)
    is_text[offsets[1:] - 1] = False
    width = cells.dtype.itemsize
    data[is_text] = cells.view(np.uint8).reshape(-1, width)[np.arange(width) < lengths[:, None]]
    return Texts(data, offsets)
