"""One HDF5 file of a store, checked and open for reading.

What is read is also held against the checksums that were written: the sha256 of a dataset grows
with every read that goes on where the ones before ended, and is compared when the end is reached.
So whoever reads a dataset from its beginning to its end, in whatever pieces, has the right
numbers or an error, and nothing is read twice. A few rows from the middle are not checked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path
from sys import intern
from threading import Lock
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from mmfeat.errors import StoreError
from mmfeat.store.hdf5.guard import check_file, plain_errors
from mmfeat.store.layout import (
    BLOCK_ROWS,
    OPTIONAL,
    Block,
    Checksum,
    FailedRow,
    Status,
    canonical_json,
    store_digest,
    text_sha256,
)
from mmfeat.store.texts import BLOCK_BYTES, BLOCK_TEXTS, Bytes, Texts, cut_offsets
from mmfeat.types import IntArray

ALL = slice(None)
CACHE_BYTES = 1 << 16
BLOCK_NUMBERS = 1 << 20  # that are read at once for a checksum
STORE = ("ids", "image_paths", "failed")
SHARD = ("failed",)  # which has only blocks


class StoreFile:
    """What a file holds, by the names of `mmfeat.store.layout`; errors are `StoreError`.

    With `strict` off, a checksum that differs is no error, but noted in `differing`.
    """

    def __init__(
        self, path: Path, *, required: Collection[str] = STORE, strict: bool = True
    ) -> None:
        with plain_errors(path):
            self._file = h5py.File(path, "r")
            try:
                _limit_cache(self._file)
                self._outline = check_file(self._file, path, required=required)
            except BaseException:
                self._file.close()
                raise
        self.path = path
        self.differing: set[str] = set()
        self._strict = strict
        self._written = self.checksums
        self._sums = {name: Checksum() for name in self.names}  # of what is not read to its end
        self._lock = Lock()  # of the sums: threads may read
        with plain_errors(path):
            self._compare("provenance", text_sha256(canonical_json(self.provenance)))
            for name in self._written.keys() - self.names - {"provenance"}:
                self._compare(name, "")

    def close(self) -> None:
        """Close the file; nothing can be read afterwards."""
        self._file.close()

    def __contains__(self, name: str) -> bool:
        """Whether there is such a dataset or group."""
        return any(f"{found}/".startswith(f"{name}/") for found in self.names)

    @property
    def names(self) -> frozenset[str]:
        """The names of its datasets."""
        return self._outline.names

    @property
    def modalities(self) -> tuple[str, ...]:
        """The names of its modalities, in order."""
        return self._outline.modalities

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return self._outline.sizes["rows"]

    @property
    def n_failed(self) -> int:
        """The number of entries of `failed`."""
        return self._outline.sizes["failed rows"]

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a dataset."""
        with plain_errors(self.path):
            shape: tuple[int, ...] = self._open[name].shape
        return shape

    def dtype(self, name: str) -> np.dtype:
        """The type of a dataset."""
        with plain_errors(self.path):
            dtype: np.dtype = self._open[name].dtype
        return dtype

    def numbers(self, name: str, rows: slice = ALL) -> NDArray[Any]:
        """Read rows of a dataset."""
        with plain_errors(self.path):
            dataset = self._open[name]
            values: NDArray[Any] = dataset[rows]
            self._check(name, values, range(len(dataset))[rows])
        return values

    def numbers_into(self, out: NDArray[Any], name: str, rows: slice) -> None:
        """Read rows of a dataset into an array of their shape."""
        with plain_errors(self.path):
            dataset = self._open[name]
            dataset.read_direct(out, rows)
            self._check(name, out, range(len(dataset))[rows])

    def read_on(self) -> None:
        """Read what is left of every dataset, so that all of the file is checked."""
        for name, checksum in tuple(self._sums.items()):
            n_rows = max(BLOCK_NUMBERS // max(math.prod(self.shape(name)[1:]), 1), 1)
            while len(self.numbers(name, slice(checksum.n, checksum.n + n_rows))):
                pass

    def text_blocks(
        self, name: str, rows: slice = ALL, *, block_bytes: int = BLOCK_BYTES
    ) -> Iterator[Texts]:
        """Read consecutive rows of a text dataset, about `block_bytes` at a time."""
        file = self._open
        with plain_errors(self.path):
            n_rows, n_bytes = len(file[f"{name}/offsets"]) - 1, len(file[f"{name}/bytes"])
            wanted = range(n_rows)[rows]
            for start in range(wanted.start, wanted.stop, BLOCK_TEXTS):
                stop = min(start + BLOCK_TEXTS, wanted.stop)
                ends = self.numbers(f"{name}/offsets", slice(start, stop + 1))
                for part in cut_offsets(ends, n_bytes, block_bytes=block_bytes):
                    data = self.numbers(f"{name}/bytes", slice(part[0], part[-1]))
                    yield Texts(data, part - part[0])

    def texts_into(self, data: Bytes, offsets: IntArray, name: str) -> None:
        """Read all of a text dataset into arrays of the shapes of its bytes and offsets."""
        self.numbers_into(data, f"{name}/bytes", ALL)
        self.numbers_into(offsets, f"{name}/offsets", ALL)

    def texts(self, name: str, rows: slice = ALL) -> list[str]:
        """Read consecutive rows of a text dataset."""
        return list(chain.from_iterable(self.text_blocks(name, rows)))

    def failed(self, which: slice = ALL, *, start: int = 0) -> list[FailedRow]:
        """Read entries of `failed`, with ids where the file has them; `start` is added to rows."""
        at = self.numbers("failed/row", which)
        columns = zip(
            at.tolist(),
            self.texts("failed/modality", which),
            self.numbers("failed/status", which).tolist(),
            self.texts("failed/reason", which),
            self._ids_at(at),
            strict=True,
        )
        with plain_errors(self.path):
            return [
                FailedRow(
                    row=start + row,
                    modality=intern(modality),
                    status=Status(status),
                    reason=intern(reason),  # many rows have the same
                    id=id_,
                )
                for row, modality, status, reason, id_ in columns
            ]

    def block(self, rows: slice, failed: tuple[FailedRow, ...]) -> Block:
        """Read all modalities of consecutive rows; `failed` are theirs."""

        def read(name: str) -> dict[str, NDArray[Any]]:
            names = {m: f"{m}/{name}" for m in self.modalities}
            return {m: self.numbers(n, rows) for m, n in names.items() if n in self.names}

        return Block(
            embeddings=read("embeddings"),
            status=read("status"),
            **{name: read(name) for name in OPTIONAL},
            failed=failed,
        )

    @property
    def provenance(self) -> dict[str, Any]:
        """What made the numbers."""
        document: dict[str, Any] = json.loads(self._outline.provenance)
        return document

    @property
    def checksums(self) -> dict[str, Any]:
        """The sha256 of every dataset and of the provenance, as they were written."""
        document: dict[str, Any] = json.loads(self._outline.checksums)
        return document

    @property
    def digest(self) -> str:
        """See `store_digest`."""
        return store_digest(self.provenance, self.checksums)

    def _check(self, name: str, values: NDArray[Any], rows: range) -> None:
        """Take a read into account: `values` of the `rows` of a dataset."""
        with self._lock:
            checksum = self._sums.get(name)
            if checksum is None:
                return
            if rows.step == 1 and rows.start <= checksum.n < rows.stop:
                checksum.add(values[checksum.n - rows.start :])
            if checksum.n == len(self._open[name]):
                del self._sums[name]
                self._compare(name, checksum.hex)

    def _compare(self, name: str, found: str) -> None:
        if found != self._written.get(name):
            self.differing.add(name)
            if self._strict:
                raise ValueError(f"{name} has changed since it was written: its sha256 differs")

    def _ids_at(self, rows: IntArray) -> list[str]:
        """The ids of some rows, of which only the blocks with them are read."""
        if "ids" not in self:
            return [""] * len(rows)
        outside = rows[(rows < 0) | (rows >= self.n_rows)]
        if len(outside):
            with plain_errors(self.path):
                raise ValueError(f"row {outside[0]} failed, and there are {self.n_rows} rows")
        found: dict[int, str] = {}
        for number in np.unique(rows // BLOCK_ROWS).tolist():
            start = number * BLOCK_ROWS
            ids = self.texts("ids", slice(start, start + BLOCK_ROWS))
            found |= {row: ids[row - start] for row in rows[rows // BLOCK_ROWS == number].tolist()}
        return [found[row] for row in rows.tolist()]

    @property
    def _open(self) -> h5py.File:
        if not self._file:
            raise StoreError(
                "a closed store cannot be read", f"{self.path} was closed", "open it again"
            )
        return self._file


def _limit_cache(file: h5py.File) -> None:
    """Keep little in memory: HDF5 would keep up to 32 MiB of each file of a store of many."""
    config = file.id.get_mdc_config()
    config.set_initial_size = True
    config.initial_size = config.min_size = config.max_size = CACHE_BYTES
    file.id.set_mdc_config(config)
