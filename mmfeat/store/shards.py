"""Shards: immutable files of some rows each, written beside the store and then merged into it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from mmfeat.errors import StoreError
from mmfeat.store.hdf5.file import ALL, SHARD, StoreFile
from mmfeat.store.layout import Block, Rows, canonical_json
from mmfeat.store.writer import Fill, write_store

ELSEWHERE = "write elsewhere with --features, --split or --out, or remove it"
OF_THE_TABLE = ("table_sha256", "table", "n_rows", "modalities", "prompts")


def read_finished(path: Path, provenance: dict[str, Any], *, n_rows: int) -> Block | None:
    """Read the shard at `path`; None where it is missing or damaged and has to be made.

    Raises `StoreError` where it was made otherwise than `provenance` says. A damaged shard is
    made again: it is a cache of work, and a disk may lose it.
    """
    if not path.exists():
        return None
    try:
        with closing(StoreFile(path, required=SHARD)) as file:
            stored = file.provenance
            block = _read_block(file)
    except StoreError:
        return None
    check_same(stored, provenance, path.parent)
    return block if block.n_rows == n_rows else None


def check_shard(path: Path, provenance: dict[str, Any]) -> str:
    """Give a digest of the checksums that a shard was written with; its numbers are not read.

    Raises `StoreError` where it was made otherwise than `provenance` says.
    """
    with closing(StoreFile(path, required=SHARD)) as file:
        check_same(file.provenance, provenance, path.parent)
        return hashlib.sha256(canonical_json(file.checksums).encode("utf-8")).hexdigest()


def merge_shards(
    paths: Sequence[Path],
    out: Path,
    *,
    rows: Rows,
    widths: Mapping[str, int],
    dtype: str,
    provenance: dict[str, Any],
    fill: Fill | None = None,
) -> None:
    """Copy the shards, in order, into the store `out`, with memory for one of them.

    `fill` as in `write_store`: it completes the rows that shards left open.
    """
    write_store(
        out,
        rows=rows,
        widths=widths,
        dtype=dtype,
        provenance=provenance,
        blocks=map(_read_shard, paths),
        fill=fill,
    )


def _read_shard(path: Path) -> Block:
    """Read a shard; raise `StoreError` where it is damaged."""
    with closing(StoreFile(path, required=SHARD)) as file:
        return _read_block(file)


def _read_block(file: StoreFile) -> Block:
    block = file.block(ALL, failed=tuple(file.failed()))
    file.read_on()
    return block


def check_same(
    stored: dict[str, Any],
    asked: dict[str, Any],
    path: Path,
    *,
    doing: str = "continued",
    remedy: str = ELSEWHERE,
) -> None:
    """Raise `StoreError` naming the first field in which two provenances differ."""
    for field, was, now in _differences(stored, asked):
        raise StoreError(
            f"{path} can only be {doing} with the same settings",
            f"{field} is {was!r} there and {now!r} now",
            f"use the same settings, or {remedy}",
        )


def without_table(provenance: dict[str, Any]) -> dict[str, Any]:
    """Leave out what may change while embeddings stay, so that a store is brought up to date."""
    return {name: value for name, value in provenance.items() if name not in OF_THE_TABLE}


def _differences(
    stored: dict[str, Any], asked: dict[str, Any], prefix: str = ""
) -> Iterator[tuple[str, object, object]]:
    for key in [*asked, *(key for key in stored if key not in asked)]:
        was, now = stored.get(key), asked.get(key)
        if isinstance(was, dict) and isinstance(now, dict):
            yield from _differences(was, now, f"{prefix}{key}.")
        elif was != now:
            yield f"{prefix}{key}", was, now
