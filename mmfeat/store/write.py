"""Writing one feature store from blocks of rows, with memory for one block only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mmfeat.core.files import replacing
from mmfeat.errors import StoreError
from mmfeat.store.layout import (
    BLOCK_ROWS,
    PROBLEM,
    TEXT,
    Block,
    Checksum,
    FailedRow,
    canonical_json,
    store_digest,
    text_sha256,
)
from mmfeat.store.parts import file_name, part_provenance, replacing_files, write_index
from mmfeat.store.repeats import Repeats
from mmfeat.types import IntArray, Prompts, Table, Targets


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What a store keeps of the table, one entry per row."""

    ids: Sequence[str]
    image_paths: Sequence[str]
    captions: Sequence[str] | None
    targets: Targets | None
    labels: Sequence[str]

    @classmethod
    def of(cls, table: Table) -> Rows:
        """Take the rows of a table."""
        return cls(
            ids=table.ids,
            image_paths=table.image_paths,
            captions=table.captions,
            targets=table.targets,
            labels=table.labels,
        )

    def part(self, rows: slice) -> Rows:
        """Give some of the rows."""
        return replace(
            self,
            ids=self.ids[rows],
            image_paths=self.image_paths[rows],
            captions=None if self.captions is None else self.captions[rows],
            targets=None if self.targets is None else self.targets[rows],
        )


@dataclass(frozen=True, kw_only=True)
class _Contents:
    """What a store has besides its blocks."""

    rows: Rows
    widths: dict[str, int]
    dtype: str
    provenance: dict[str, Any]
    prompts: Prompts | None

    def part(self, start: int, n_rows: int) -> _Contents:
        """Give what a file with at most `n_rows` rows from `start` on has."""
        rows = self.rows.part(slice(start, start + n_rows))
        provenance = part_provenance(self.provenance, start, len(rows.ids))
        return replace(self, rows=rows, provenance=provenance)


def write_store(
    path: Path,
    *,
    rows: Rows,
    widths: dict[str, int],
    dtype: str,
    provenance: dict[str, Any],
    blocks: Iterable[Block],
    first: Mapping[str, IntArray] | None = None,
    prompts: Prompts | None = None,
) -> None:
    """Write a store atomically; the same arguments give the same bytes.

    `widths` has one entry per modality; `blocks` cover all rows in order. Rows that blocks leave
    open (see `mmfeat.store.repeats`) get what their row in `first`, (n,) per modality, got. With
    `rows_per_file` in its `provenance` it is a store of many files, see `mmfeat.store.parts`.
    Raises `StoreError` where the disk is full or not writable.
    """
    whole = _Contents(rows=rows, widths=widths, dtype=dtype, provenance=provenance, prompts=prompts)
    n_rows, per_file = len(rows.ids), provenance.get("rows_per_file")
    if per_file is None:
        _write_files([path], whole, blocks, first=first, per_file=n_rows)
        return
    with _telling_of_room(path), replacing_files(path) as folder:
        files = [folder / file_name(start // per_file) for start in range(0, n_rows, per_file)]
        digests = _write_files(files, whole, blocks, first=first, per_file=per_file)
        write_index(folder, digests, provenance)


def write_shard(path: Path, block: Block, *, provenance: dict[str, Any], dtype: str) -> None:
    """Write one block atomically as a shard of its own."""
    widths = {modality: values.shape[1] for modality, values in block.embeddings.items()}
    with _new_file(path) as file:
        sums = _write_blocks(file, [block], n_rows=block.n_rows, widths=widths, dtype=dtype)
        _write_attributes(file, provenance, sums)


def _write_files(
    files: Sequence[Path],
    whole: _Contents,
    blocks: Iterable[Block],
    *,
    first: Mapping[str, IntArray] | None,
    per_file: int,
) -> list[str]:
    """Write one file after another, with `per_file` rows each; give their digests."""
    repeats = None
    if first is not None:
        repeats = Repeats(first=first, ids=whole.rows.ids, files=files, rows_per_file=per_file)
    pieces = _cut(blocks, per_file)
    digests = []
    for number, path in enumerate(files):
        start = number * per_file
        part = whole.part(start, per_file) if "rows_per_file" in whole.provenance else whole
        with _new_file(path) as file:
            sums = _write_rows(file, part.rows)
            sums |= _write_blocks(
                file,
                pieces,
                n_rows=len(part.rows.ids),
                widths=part.widths,
                dtype=part.dtype,
                start=start,
                repeats=repeats,
            )
            if part.prompts is not None:
                sums |= _write_prompts(file, part.prompts, part.dtype)
            digests.append(_write_attributes(file, part.provenance, sums))
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


@contextmanager
def _new_file(path: Path) -> Iterator[h5py.File]:
    """Give an HDF5 file that replaces `path` when it is whole."""
    with _telling_of_room(path), replacing(path) as partial, h5py.File(partial, "w") as file:
        yield file


@contextmanager
def _telling_of_room(path: Path) -> Iterator[None]:
    """Turn what a full disk raises into `StoreError`; HDF5 tells of it in its own way."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise StoreError(
            "the folder must be writable and the disk must have room",
            f"{path}: {error}",
            "see to that and run the same command again: what is finished is kept",
        ) from error


def _write_attributes(
    file: h5py.File, provenance: dict[str, Any], sums: dict[str, Checksum]
) -> str:
    """Write the two attributes; give the digest of the file."""
    text = canonical_json(provenance)
    file.attrs["provenance"] = text
    found = {**{name: sum_.hex for name, sum_ in sums.items()}, "provenance": text_sha256(text)}
    file.attrs["checksums"] = canonical_json(found)
    return store_digest(provenance, found)


def _write_rows(file: h5py.File, rows: Rows) -> dict[str, Checksum]:
    sums: dict[str, Checksum] = {}
    texts = {"ids": rows.ids, "image_paths": rows.image_paths, "captions": rows.captions}
    for name, values in texts.items():
        if values is not None:
            sums[name] = _write_texts(file, name, values)
    if rows.targets is not None:
        sums["labels/names"] = _write_texts(file, "labels/names", rows.labels)
        file.create_dataset("labels/targets", data=np.ascontiguousarray(rows.targets, np.uint8))
        sums["labels/targets"] = Checksum()
        sums["labels/targets"].add(np.ascontiguousarray(rows.targets, np.uint8))
    return sums


def _write_prompts(file: h5py.File, prompts: Prompts, dtype: str) -> dict[str, Checksum]:
    sums = {
        "prompts/labels": _write_texts(file, "prompts/labels", prompts.labels),
        "prompts/texts": _write_texts(file, "prompts/texts", prompts.texts),
        "prompts/embeddings": Checksum(),
    }
    embeddings = np.ascontiguousarray(prompts.embeddings, dtype=dtype)
    file.create_dataset("prompts/embeddings", data=embeddings)
    sums["prompts/embeddings"].add(embeddings)
    return sums


def _write_texts(file: h5py.File, name: str, texts: Sequence[str]) -> Checksum:
    dataset = file.create_dataset(name, shape=(len(texts),), dtype=TEXT)
    checksum = Checksum()
    for start in range(0, len(texts), BLOCK_ROWS):
        part = texts[start : start + BLOCK_ROWS]
        dataset[start : start + len(part)] = np.array(part, dtype=object)
        checksum.add_texts(part)
    return checksum


def _write_blocks(
    file: h5py.File,
    blocks: Iterable[Block],
    *,
    n_rows: int,
    widths: dict[str, int],
    dtype: str,
    start: int = 0,
    repeats: Repeats | None = None,
) -> dict[str, Checksum]:
    """Write the next `n_rows` rows of the blocks; row `start` of the store is the file's first."""
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {}
    for modality, width in widths.items():
        shapes[f"{modality}/embeddings"] = ((n_rows, width), np.dtype(dtype))
        shapes[f"{modality}/status"] = ((n_rows,), np.uint8)
    if "text" in widths:
        shapes["text/truncated"] = ((n_rows,), np.uint8)
    for name, (shape, kind) in shapes.items():
        file.create_dataset(name, shape=shape, dtype=kind)
    sums = {name: Checksum() for name in shapes}
    problems: list[FailedRow] = []
    row = 0
    for given in blocks:
        block = given if repeats is None else repeats.fill(given, start=start + row, file=file)
        end = row + block.n_rows
        for name, array in block.arrays():
            values = np.ascontiguousarray(array, dtype=file[name].dtype)
            file[name][row:end] = values
            sums[name].add(values)
        problems += block.problems
        row = end
        if row == n_rows:
            break
    assert row == n_rows, f"the blocks cover {row} of {n_rows} rows"
    sums["problems"] = _write_problems(file, problems, start=start)
    return sums


def _write_problems(file: h5py.File, problems: Sequence[FailedRow], *, start: int) -> Checksum:
    dataset = file.create_dataset("problems", shape=(len(problems),), dtype=PROBLEM)
    checksum = Checksum()
    for begin in range(0, len(problems), BLOCK_ROWS):
        part = [replace(p, row=p.row - start) for p in problems[begin : begin + BLOCK_ROWS]]
        values = [(p.row, p.id, p.modality, int(p.status), p.reason) for p in part]
        dataset[begin : begin + len(part)] = np.array(values, PROBLEM)
        checksum.add_problems(part)
    return checksum
