"""Shards: immutable files of some rows each, written beside the store and then merged into it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mmfeat.errors import StoreError
from mmfeat.store.guard import plain_errors
from mmfeat.store.layout import Block
from mmfeat.store.reader import read_problems
from mmfeat.store.write import Rows, write_store


def is_finished(path: Path, provenance: dict[str, Any], *, n_rows: int) -> bool:
    """Whether the shard at `path` is there and whole.

    Raises `StoreError` where it was made otherwise than `provenance` says. A shard that cannot be
    read is made again: it is a cache of work, and a disk may lose it.
    """
    if not path.exists():
        return False
    try:
        with h5py.File(path, "r") as file:
            stored = json.loads(file.attrs["provenance"])
            whole = all(
                name in file and file[name].shape[0] == n_rows
                for name in (f"{modality}/status" for modality in provenance["modalities"])
            )
    except (OSError, RuntimeError, KeyError, ValueError):
        return False
    check_same(stored, provenance, path.parent)
    return whole


def merge_shards(
    paths: Sequence[Path],
    out: Path,
    *,
    rows: Rows,
    widths: dict[str, int],
    dtype: str,
    provenance: dict[str, Any],
) -> None:
    """Copy the shards, in order, into the one store `out`, with memory for one of them."""
    write_store(
        out, rows=rows, widths=widths, dtype=dtype, provenance=provenance, blocks=_blocks(paths)
    )


def _blocks(paths: Sequence[Path]) -> Iterator[Block]:
    for path in paths:
        with plain_errors(path), h5py.File(path, "r") as file:
            modalities = [name for name in ("image", "text") if name in file]
            n_rows = file[f"{modalities[0]}/status"].shape[0]
            yield Block(
                embeddings={m: file[f"{m}/embeddings"][()] for m in modalities},
                status={m: file[f"{m}/status"][()] for m in modalities},
                truncated=file["text/truncated"][()]
                if "text" in modalities
                else np.zeros(n_rows, np.uint8),
                problems=read_problems(file),
            )


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
