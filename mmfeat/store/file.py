"""One HDF5 file of a store, checked and open for reading."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from sys import intern
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from mmfeat.errors import StoreError
from mmfeat.store.guard import check_store, plain_errors
from mmfeat.store.layout import FailedRow, Status, store_digest
from mmfeat.store.texts import text_blocks

ALL = slice(None)
CACHE_BYTES = 1 << 16


class StoreFile:
    """What a file holds, by the names of `mmfeat.store.layout`; errors are `StoreError`."""

    def __init__(self, path: Path) -> None:
        with plain_errors(path):
            self._file = h5py.File(path, "r")
            try:
                _limit_cache(self._file)
                check_store(self._file, path)
            except BaseException:
                self._file.close()
                raise
        self.path = path

    def close(self) -> None:
        """Close the file; nothing can be read afterwards."""
        self._file.close()

    def __contains__(self, name: str) -> bool:
        """Whether there is such a dataset or group."""
        return name in self._open

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return self.shape("ids")[0]

    @property
    def n_problems(self) -> int:
        """The number of problems."""
        return self.shape("problems")[0]

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a dataset."""
        shape: tuple[int, ...] = self._open[name].shape
        return shape

    def dtype(self, name: str) -> np.dtype:
        """The type of a dataset."""
        dtype: np.dtype = self._open[name].dtype
        return dtype

    def numbers(self, name: str, rows: slice = ALL) -> NDArray[Any]:
        """Read rows of a dataset of numbers."""
        with plain_errors(self.path):
            values: NDArray[Any] = self._open[name][rows]
        return values

    def numbers_into(self, out: NDArray[Any], name: str, rows: slice) -> None:
        """Read rows of a dataset of numbers into an array of their shape."""
        with plain_errors(self.path):
            self._open[name].read_direct(out, rows)

    def text_blocks(self, name: str) -> Iterator[list[str]]:
        """Read a dataset of texts, some rows at a time."""
        dataset = self._open[name]
        with plain_errors(self.path):
            for rows in text_blocks(dataset, self.path):
                yield [value.decode("utf-8") for value in dataset[rows]]

    def texts(self, name: str) -> list[str]:
        """Read a dataset of texts."""
        return list(chain.from_iterable(self.text_blocks(name)))

    def problem_blocks(self, *, start: int = 0) -> Iterator[list[FailedRow]]:
        """Read the problems, some at a time, their rows counted from `start`."""
        file = self._open
        with plain_errors(self.path):
            for which in text_blocks(file["problems"], self.path):
                yield read_problems(file, which, start=start)

    def problems(self, most: int, *, start: int = 0) -> list[FailedRow]:
        """Read the first problems, their rows counted from `start`."""
        blocks = self.problem_blocks(start=start)
        return list(islice(chain.from_iterable(blocks), most))

    @property
    def provenance(self) -> dict[str, Any]:
        """What made the numbers."""
        return self._attribute("provenance")

    @property
    def checksums(self) -> dict[str, Any]:
        """The sha256 of every dataset and of the provenance, as they were written."""
        return self._attribute("checksums")

    @property
    def digest(self) -> str:
        """See `store_digest`."""
        return store_digest(self.provenance, self.checksums)

    def _attribute(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._open.attrs[name])
        return document

    @property
    def _open(self) -> h5py.File:
        if not self._file:
            raise StoreError(
                "a closed store cannot be read", f"{self.path} was closed", "open it again"
            )
        return self._file


def _limit_cache(file: h5py.File) -> None:
    """Keep little of the texts: HDF5 would keep up to 32 MiB of each file of a store of many."""
    config = file.id.get_mdc_config()
    config.set_initial_size = True
    config.initial_size = config.min_size = config.max_size = CACHE_BYTES
    file.id.set_mdc_config(config)


def read_problems(file: h5py.File, which: slice = ALL, *, start: int = 0) -> list[FailedRow]:
    """Read the table of problems of a file or a shard, their rows counted from `start`."""
    return [
        FailedRow(
            row=start + int(row),
            id=id_.decode("utf-8"),
            modality=intern(modality.decode("utf-8")),
            status=Status(int(status)),
            reason=intern(reason.decode("utf-8")),  # many rows have the same
        )
        for row, id_, modality, status, reason in file["problems"][which]
    ]
