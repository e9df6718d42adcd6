"""Which rows of texts to read at once: how long they are is known before they are read.

HDF5 keeps a text in a heap, and in its row a reference of 16 bytes: the length (4 bytes, little
endian), the address of the heap (8) and the place in it (4); see "Global Heap" and the class
"Variable-length" in the HDF5 File Format Specification. So neither long texts fill the memory nor
a small file with many rows that point to one large text.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, compress, pairwise
from pathlib import Path

import h5py
import numpy as np

from mmfeat.store.layout import BLOCK_ROWS
from mmfeat.types import IntArray

BLOCK_BYTES = 1 << 24  # of texts that are read at once
REFERENCE = 16


def text_blocks(dataset: h5py.Dataset, path: Path) -> Iterator[slice]:
    """Cut the rows of a dataset of texts, or of records with texts, into blocks to be read.

    A block has at most `BLOCK_ROWS` rows, and little more than `BLOCK_BYTES` or one row. Raises
    `ValueError` where all texts together are larger than the file at `path`.
    """
    n_rows, left = dataset.shape[0], path.stat().st_size
    for start in range(0, n_rows, BLOCK_ROWS):
        lengths = _lengths(dataset, path, slice(start, min(start + BLOCK_ROWS, n_rows)))
        ends = np.cumsum(lengths)
        left -= int(ends[-1])
        if left < 0:
            raise ValueError(f"the texts of {_name(dataset)} are larger than the file")
        cuts = np.flatnonzero(np.diff(ends // BLOCK_BYTES)) + 1
        for begin, end in pairwise((0, *cuts.tolist(), len(ends))):
            yield slice(start + begin, start + end)


def _lengths(dataset: h5py.Dataset, path: Path, rows: slice) -> IntArray:
    """Bytes of the texts of each row, (m,), from the references."""
    dtype = dataset.dtype
    fields = [dtype] if dtype.names is None else [dtype[name] for name in dtype.names]
    is_text = [h5py.check_string_dtype(field) is not None for field in fields]
    widths = [
        REFERENCE if text else field.itemsize for text, field in zip(is_text, fields, strict=True)
    ]
    starts = list(compress(accumulate(widths, initial=0), is_text))
    size = sum(widths)
    if dataset.id.get_storage_size() != len(dataset) * size:
        raise ValueError(f"{_name(dataset)} is not stored in rows of {size} bytes")
    references = np.dtype(
        {
            "names": list(map(str, starts)),
            "formats": ["<u4"] * len(starts),
            "offsets": starts,
            "itemsize": size,
        }
    )
    offset, n_rows = dataset.id.get_offset() + rows.start * size, rows.stop - rows.start
    found = np.fromfile(path, references, count=n_rows, offset=offset)
    if len(found) < n_rows:
        raise ValueError(f"{_name(dataset)} goes on where the file ends")
    lengths: IntArray = np.sum([found[name] for name in references.names or ()], axis=0, dtype="i8")
    return lengths


def _name(dataset: h5py.Dataset) -> str:
    return str(dataset.name).lstrip("/")
