"""Shards: immutable files of some rows each, written beside the store and then merged into it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mmfeat.errors import StoreError
from mmfeat.store.file import read_problems
from mmfeat.store.guard import plain_errors
from mmfeat.store.layout import MODALITIES, Block, text_sha256
from mmfeat.store.write import Rows, write_store
from mmfeat.types import IntArray


def read_finished(path: Path, provenance: dict[str, Any], *, n_rows: int) -> Block | None:
    """Read the shard at `path` if it is there and whole, else None: it has to be made.

    Raises `StoreError` where it was made otherwise than `provenance` says. A shard that is not
    what was written is made again: it is a cache of work, and a disk may lose it.
    """
    if not path.exists():
        return None
    try:
        with h5py.File(path, "r") as file:
            stored = json.loads(file.attrs["provenance"])
        block = _read_shard(path)
    except (OSError, RuntimeError, KeyError, ValueError, StoreError):
        return None
    check_same(stored, provenance, path.parent)
    return block if block.n_rows == n_rows else None


def check_shard(path: Path, provenance: dict[str, Any]) -> str:
    """Give a digest of the checksums that a shard was written with; its numbers are not read.

    Raises `StoreError` where it was made otherwise than `provenance` says.
    """
    with plain_errors(path), h5py.File(path, "r") as file:
        stored, sums = json.loads(file.attrs["provenance"]), str(file.attrs["checksums"])
    check_same(stored, provenance, path.parent)
    return hashlib.sha256(sums.encode("utf-8")).hexdigest()


def merge_shards(
    paths: Sequence[Path],
    out: Path,
    *,
    rows: Rows,
    widths: dict[str, int],
    dtype: str,
    provenance: dict[str, Any],
    first: Mapping[str, IntArray],
) -> None:
    """Copy the shards, in order, into the store `out`, with memory for one of them.

    `first` says per modality where the rows are that shards left open, see `write_store`.
    """
    write_store(
        out,
        rows=rows,
        widths=widths,
        dtype=dtype,
        provenance=provenance,
        blocks=map(_read_shard, paths),
        first=first,
    )


def _read_shard(path: Path) -> Block:
    """Read a shard; raise `StoreError` where it is not what was written."""
    with plain_errors(path), h5py.File(path, "r") as file:
        modalities = [name for name in MODALITIES if name in file]
        status = {m: file[f"{m}/status"][()] for m in modalities}
        n_rows = len(status[modalities[0]]) if modalities else 0
        block = Block(
            embeddings={m: file[f"{m}/embeddings"][()] for m in modalities},
            status=status,
            truncated=file["text/truncated"][()] if "text" in file else np.zeros(n_rows, np.uint8),
            problems=tuple(read_problems(file)),
        )
        sums = {**block.checksums(), "provenance": text_sha256(file.attrs["provenance"])}
        if sums != json.loads(file.attrs["checksums"]):
            raise ValueError("its checksums differ from what was written")
    return block


def check_same(stored: dict[str, Any], asked: dict[str, Any], path: Path) -> None:
    """Raise `StoreError` naming the first field in which two provenances differ."""
    for field, was, now in _differences(stored, asked):
        raise StoreError(
            f"{path} can only be continued as it was begun",
            f"{field} is {was!r} there and {now!r} now",
            "ask for the same again, or write elsewhere with --features, --split or --out,"
            " or remove it",
        )


def _differences(
    stored: dict[str, Any], asked: dict[str, Any], prefix: str = ""
) -> Iterator[tuple[str, object, object]]:
    for key in [*asked, *(key for key in stored if key not in asked)]:
        was, now = stored.get(key), asked.get(key)
        if isinstance(was, dict) and isinstance(now, dict):
            yield from _differences(was, now, f"{prefix}{key}.")
        elif was != now:
            yield f"{prefix}{key}", was, now
