"""Writing one feature store from blocks of rows, with memory for one block only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mmfeat.errors import StoreError
from mmfeat.files import replacing
from mmfeat.store.layout import (
    BLOCK_ROWS,
    PROBLEM,
    TEXT,
    Block,
    Checksum,
    Problem,
    canonical_json,
    text_sha256,
)
from mmfeat.store.repeats import fill
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
    open (see `mmfeat.store.repeats`) get what their row in `first`, (n,) per modality, got.
    Raises `StoreError` where the disk is full or not writable.
    """
    with _new_file(path) as file:
        sums = _write_rows(file, rows)
        sums |= _write_blocks(
            file, blocks, n_rows=len(rows.ids), widths=widths, dtype=dtype, first=first
        )
        if prompts is not None:
            sums |= _write_prompts(file, prompts, dtype)
        _write_attributes(file, provenance, sums)


def write_shard(path: Path, block: Block, *, provenance: dict[str, Any], dtype: str) -> None:
    """Write one block atomically as a shard of its own."""
    widths = {modality: values.shape[1] for modality, values in block.embeddings.items()}
    with _new_file(path) as file:
        sums = _write_blocks(file, [block], n_rows=len(block.truncated), widths=widths, dtype=dtype)
        _write_attributes(file, provenance, sums)


@contextmanager
def _new_file(path: Path) -> Iterator[h5py.File]:
    """Give an HDF5 file that replaces `path` when it is whole; HDF5 tells a full disk its way."""
    try:
        with replacing(path) as partial, h5py.File(partial, "w") as file:
            yield file
    except (OSError, RuntimeError) as error:
        raise StoreError(
            "the folder must be writable and the disk must have room",
            f"{path}: {error}",
            "see to that and run the same command again: what is finished is kept",
        ) from error


def _write_attributes(
    file: h5py.File, provenance: dict[str, Any], sums: dict[str, Checksum]
) -> None:
    text = canonical_json(provenance)
    file.attrs["provenance"] = text
    found = {**{name: sum_.hex for name, sum_ in sums.items()}, "provenance": text_sha256(text)}
    file.attrs["checksums"] = canonical_json(found)


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
    first: Mapping[str, IntArray] | None = None,
) -> dict[str, Checksum]:
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {}
    for modality, width in widths.items():
        shapes[f"{modality}/embeddings"] = ((n_rows, width), np.dtype(dtype))
        shapes[f"{modality}/status"] = ((n_rows,), np.uint8)
    if "text" in widths:
        shapes["text/truncated"] = ((n_rows,), np.uint8)
    for name, (shape, kind) in shapes.items():
        file.create_dataset(name, shape=shape, dtype=kind)
    sums = {name: Checksum() for name in shapes}
    problems: list[Problem] = []
    row = 0
    for given in blocks:
        block = given
        if first is not None:
            block = fill(given, start=row, first=first, written=file, problems=problems)
        end = row + len(block.truncated)
        for name, array in block.arrays():
            values = np.ascontiguousarray(array, dtype=file[name].dtype)
            file[name][row:end] = values
            sums[name].add(values)
        problems += block.problems
        row = end
    assert row == n_rows, f"the blocks cover {row} of {n_rows} rows"
    sums["problems"] = _write_problems(file, problems)
    return sums


def _write_problems(file: h5py.File, problems: Sequence[Problem]) -> Checksum:
    table = np.empty(len(problems), PROBLEM)
    for i, p in enumerate(problems):
        table[i] = (p.row, p.id, p.modality, int(p.status), p.reason)
    file.create_dataset("problems", data=table)
    checksum = Checksum()
    checksum.add_problems(problems)
    return checksum
