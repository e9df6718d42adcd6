"""Writing one HDF5 file so that it is right or not there.

Room for a dataset is reserved before HDF5 writes it: HDF5 cannot close a file that a full disk
did not take, and ends the process with it. A closed file is read back against the checksums of
what was written: HDF5 buffers, and swallows errors of writes that it does late.
"""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from mmfeat.core.files import replacing
from mmfeat.errors import StoreError
from mmfeat.store.layout import (
    BLOCK_ROWS,
    Checksum,
    canonical_json,
    store_digest,
    text_sha256,
)
from mmfeat.store.texts import encode_texts

LARGEST_ATTRIBUTE = 60_000  # bytes; HDF5 has room for 64 KiB
ROOM = 1 << 15  # bytes for what HDF5 writes besides numbers
UNSUPPORTED = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)  # by a file system, to reserve room
BLOCK_NUMBERS = 1 << 20  # that are read back at once


class NewFile:
    """An HDF5 file that is being written, with the sha256 of each dataset."""

    def __init__(self, hdf5: h5py.File) -> None:
        self.hdf5 = hdf5
        self.sums: dict[str, Checksum] = {}
        self.attributes: dict[str, bytes] = {}
        self._reserved = 0

    def create(self, name: str, shape: tuple[int, ...], dtype: Any, **storage: Any) -> None:
        """Add a dataset, to be filled by `append`."""
        dtype = np.dtype(dtype)
        if dtype.kind != "S":  # texts of fixed length have no order, and h5py notes UTF-8 there
            dtype = dtype.newbyteorder("<")
        self._reserve(math.prod(shape) * dtype.itemsize)
        self.hdf5.create_dataset(name, shape=shape, dtype=dtype, **storage)
        self.sums[name] = Checksum()

    def append(self, name: str, values: NDArray[Any], *, start: int) -> None:
        """Write rows at `start`, directly after those written before."""
        dataset = self.hdf5[name]
        values = np.ascontiguousarray(values, dtype=dataset.dtype)
        dataset[start : start + len(values)] = values
        self.sums[name].add(values)

    def write(self, name: str, values: NDArray[Any], dtype: Any, **storage: Any) -> None:
        """Add a dataset with all its values."""
        self.create(name, values.shape, dtype, **storage)
        self.append(name, values, start=0)

    def write_texts(self, name: str, texts: Sequence[str]) -> None:
        """Add a text dataset; blocks of texts are encoded twice: for offsets, then for bytes."""
        starts = range(0, len(texts), BLOCK_ROWS)
        self.create(f"{name}/offsets", (len(texts) + 1,), "int64")
        end = np.zeros(1, np.int64)
        self.append(f"{name}/offsets", end, start=0)
        for start in starts:
            _, offsets = encode_texts(texts[start : start + BLOCK_ROWS])
            ends = end + offsets[1:]
            self.append(f"{name}/offsets", ends, start=start + 1)
            end = ends[-1:]
        self.create(f"{name}/bytes", (int(end[0]),), "uint8")
        at = 0
        for start in starts:
            data, _ = encode_texts(texts[start : start + BLOCK_ROWS])
            self.append(f"{name}/bytes", data, start=at)
            at += len(data)

    def write_attribute(self, name: str, text: str) -> None:
        """Add an attribute of fixed length."""
        try:
            data = self.attributes[name] = text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise StoreError(
                f"the {name} of a store is UTF-8",
                f"a name in it is not: {error.object[error.start - 20 : error.end + 20]!r}",
                "use other names for files and encoders",
            ) from error
        if len(data) > LARGEST_ATTRIBUTE:
            raise StoreError(
                f"the {name} of a store takes at most {LARGEST_ATTRIBUTE:,} bytes",
                f"it takes {len(data):,}",
                "use fewer columns, or shorter names for them",
            )
        self._reserve(len(data))
        self.hdf5.attrs.create(name, data, dtype=h5py.string_dtype("utf-8", len(data)))

    def finish(self, provenance: dict[str, Any]) -> str:
        """Write the provenance and the checksums; give the digest of the file."""
        text = canonical_json(provenance)
        sums = {name: sum_.hex for name, sum_ in self.sums.items()}
        sums["provenance"] = text_sha256(text)
        self.write_attribute("provenance", text)
        self.write_attribute("checksums", canonical_json(sums))
        return store_digest(provenance, sums)

    def _reserve(self, n_bytes: int) -> None:
        self._reserved += n_bytes
        _reserve(Path(self.hdf5.filename), self._reserved + ROOM)


@contextmanager
def create_hdf5(path: Path) -> Iterator[NewFile]:
    """Write the HDF5 file `path`; raise `OSError` where the disk does not take it."""
    path.touch()
    _reserve(path, ROOM)
    with h5py.File(path, "w") as hdf5:
        new = NewFile(hdf5)
        try:
            yield new
            hdf5.flush()
            size = hdf5.id.get_filesize()
        except BaseException:
            with suppress(FileNotFoundError):  # an interrupt may have had it removed before
                os.truncate(path, 0)  # room for what HDF5 writes when it closes
            raise
    os.truncate(path, size)  # what was reserved and not used
    _read_back(path, new)


@contextmanager
def new_file(path: Path) -> Iterator[NewFile]:
    """Give an HDF5 file of a store that replaces `path` when it is whole."""
    with room_errors(path), replacing(path) as partial, create_hdf5(partial) as new:
        yield new


@contextmanager
def room_errors(path: Path) -> Iterator[None]:
    """Turn errors of a full disk into `StoreError`; HDF5 raises its own types."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise StoreError(
            "the folder must be writable and the disk must have room",
            f"{path}: {error}",
            "free space or fix permissions, and run the command again: finished shards are kept",
        ) from error


def _reserve(path: Path, n_bytes: int) -> None:
    """Reserve the first bytes of a file where the file system can; raise `OSError` where full."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.posix_fallocate(descriptor, 0, n_bytes)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def _read_back(path: Path, new: NewFile) -> None:
    """Raise `OSError` where a closed file is not what was written."""
    with h5py.File(path, "r") as file:
        for name, written in new.sums.items():
            dataset, found = file[name], Checksum()
            n_rows = max(BLOCK_NUMBERS // max(math.prod(dataset.shape[1:]), 1), 1)
            for start in range(0, len(dataset), n_rows):
                found.add(dataset[start : start + n_rows])
            if found.hex != written.hex:
                raise OSError(errno.EIO, f"{name} does not read back as it was written")
        for name, data in new.attributes.items():
            if bytes(file.attrs[name]) != data:
                raise OSError(errno.EIO, f"{name} does not read back as it was written")
