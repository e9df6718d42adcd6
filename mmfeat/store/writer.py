"""Write a feature store from blocks of rows, with one block in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from mmfeat.store.hdf5.new_file import NewFile, new_file, room_errors
from mmfeat.store.layout import (
    ROW_TEXTS,
    Block,
    FailedRow,
    Rows,
    check_modality,
)
from mmfeat.store.parts import file_name, part_provenance, replacing_files, write_index
from mmfeat.store.prompts import Prompts
from mmfeat.types import IntArray


@dataclass(frozen=True, kw_only=True)
class WrittenRows:
    """The rows of an unfinished store that are already written.

    `files` has the store's files in order, with `rows_per_file` rows each but the last; `current`
    is the file of number `number`, which is being written.
    """

    files: Sequence[Path]
    rows_per_file: int
    number: int
    current: h5py.File

    def read(self, modality: str, rows: IntArray) -> dict[str, NDArray[Any]]:
        """Return the values of `rows` (m,), ascending, by the name of the dataset."""
        numbers = rows // self.rows_per_file
        parts = []
        for number in np.unique(numbers).tolist():
            at = rows[numbers == number] - number * self.rows_per_file
            if number == self.number:
                parts.append({name: data[at] for name, data in self.current[modality].items()})
            else:
                with h5py.File(self.files[number], "r") as earlier:
                    parts.append({name: data[at] for name, data in earlier[modality].items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


Fill = Callable[[Block, int, WrittenRows], Block]  # block, its first row, rows before it


@dataclass(frozen=True, kw_only=True)
class _Contents:
    """The content of a store besides its blocks."""

    rows: Rows
    widths: Mapping[str, int]
    dtype: str
    provenance: dict[str, Any]
    prompts: Prompts | None

    def part(self, start: int, n_rows: int) -> _Contents:
        """Return the content of a file with at most `n_rows` rows from `start`."""
        rows = self.rows.part(slice(start, start + n_rows))
        provenance = part_provenance(self.provenance, start, len(rows.ids))
        return replace(self, rows=rows, provenance=provenance)


def write_store(
    path: Path,
    *,
    rows: Rows,
    widths: Mapping[str, int],
    dtype: str,
    provenance: dict[str, Any],
    blocks: Iterable[Block],
    fill: Fill | None = None,
    prompts: Prompts | None = None,
) -> None:
    """Write a store atomically; the same arguments give the same bytes.

    `widths` has one entry per modality; `blocks` cover all rows in order. `fill` completes each
    block from the rows before it. With `rows_per_file` in its `provenance` it is a store of many
    files, see `mmfeat.store.parts`. Raises `StoreError` where the disk is full or not writable,
    or a modality has an impossible name.
    """
    for modality in widths:
        check_modality(modality)
    whole = _Contents(rows=rows, widths=widths, dtype=dtype, provenance=provenance, prompts=prompts)
    n_rows, per_file = len(rows.ids), provenance.get("rows_per_file")
    if per_file is None:
        _write_files([path], whole, blocks, fill=fill, per_file=n_rows)
        return
    with room_errors(path), replacing_files(path) as folder:
        files = [folder / file_name(start // per_file) for start in range(0, n_rows, per_file)]
        digests = _write_files(files, whole, blocks, fill=fill, per_file=per_file)
        write_index(folder, digests, provenance)


def write_shard(path: Path, block: Block, *, provenance: dict[str, Any], dtype: str) -> None:
    """Write one block atomically as a shard of its own."""
    widths = {modality: values.shape[1] for modality, values in block.embeddings.items()}
    with new_file(path) as file:
        _write_blocks(file, [block], n_rows=block.n_rows, widths=widths, dtype=dtype)
        file.finish(provenance)


def _write_files(
    files: Sequence[Path],
    whole: _Contents,
    blocks: Iterable[Block],
    *,
    fill: Fill | None,
    per_file: int,
) -> list[str]:
    """Write one file after another, with `per_file` rows each; return their digests."""
    pieces = _cut(blocks, per_file)
    digests = []
    for number, path in enumerate(files):
        start = number * per_file
        part = whole.part(start, per_file) if "rows_per_file" in whole.provenance else whole
        with new_file(path) as file:
            written = WrittenRows(
                files=files, rows_per_file=per_file, number=number, current=file.hdf5
            )
            _write_rows(file, part.rows)
            _write_blocks(
                file,
                pieces if fill is None else _filled(pieces, fill, written, start),
                n_rows=len(part.rows.ids),
                widths=part.widths,
                dtype=part.dtype,
                start=start,
            )
            if part.prompts is not None:
                _write_prompts(file, part.prompts, part.dtype)
            digests.append(file.finish(part.provenance))
    return digests


def _cut(blocks: Iterable[Block], per_file: int) -> Iterator[Block]:
    """Cut blocks where a file of `per_file` rows is full."""
    start = 0
    for block in blocks:
        stop = start + block.n_rows
        full = range((start // per_file + 1) * per_file, stop, per_file)
        for begin, end in pairwise((start, *full, stop)):
            yield block.part(slice(begin - start, end - start), start=start) if full else block
        start = stop


def _filled(
    blocks: Iterator[Block], fill: Fill, written: WrittenRows, start: int
) -> Iterator[Block]:
    for block in blocks:
        yield fill(block, start, written)
        start += block.n_rows


def _write_rows(file: NewFile, rows: Rows) -> None:
    for name in ROW_TEXTS:
        texts = getattr(rows, name)
        if texts is not None:
            file.write_texts(name, texts)
    if rows.times is not None:
        file.write("times", rows.times, "float64")
    if rows.targets is not None:
        file.write_texts("labels/names", rows.labels)
        file.write("labels/targets", rows.targets, "uint8")


def _write_prompts(file: NewFile, prompts: Prompts, dtype: str) -> None:
    file.write_texts("prompts/labels", prompts.labels)
    file.write_texts("prompts/texts", prompts.texts)
    file.write("prompts/embeddings", prompts.embeddings, dtype)


def _write_blocks(
    file: NewFile,
    blocks: Iterable[Block],
    *,
    n_rows: int,
    widths: Mapping[str, int],
    dtype: str,
    start: int = 0,
) -> None:
    """Write the next `n_rows` rows of the blocks; row `start` of the store is the file's first."""
    for modality, width in widths.items():
        file.create(f"{modality}/embeddings", (n_rows, width), dtype)
        file.create(f"{modality}/status", (n_rows,), "uint8")
    failed: list[FailedRow] = []
    row = 0
    for block in blocks:
        for name, values in block.arrays():
            if name not in file.hdf5:  # what not every modality has
                file.create(name, (n_rows, *values.shape[1:]), str(values.dtype))
            file.append(name, values, start=row)
        failed += block.failed
        row += block.n_rows
        if row == n_rows:
            break
    assert row == n_rows, f"the blocks cover {row} of {n_rows} rows"
    file.write("failed/row", np.array([f.row - start for f in failed], np.int64), "int64")
    file.write("failed/status", np.array([f.status for f in failed], np.uint8), "uint8")
    file.write_texts("failed/modality", [f.modality for f in failed])
    file.write_texts("failed/reason", [f.reason for f in failed])
