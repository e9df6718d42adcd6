"""Stores of many files, and all that the reader says of a store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from mmfeat.store import FeatureStore
from tests.support.stage_one.toy import SETTINGS

CUT = replace(SETTINGS, rows_per_file=7)  # of shards with 5 rows


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def everything(path: Path) -> dict[str, Any]:
    """What the reader says of a store, as plain values."""
    with FeatureStore.open(path) as store:
        return {
            "ids": store.ids,
            "image_paths": store.image_paths,
            "captions": store.captions,
            "labels": store.labels,
            "targets": store.targets.tolist() if store.targets is not None else None,
            "embeddings": {m: store.embeddings(m).tobytes() for m in store.modalities},
            "statuses": {m: store.status(m).tolist() for m in store.modalities},
            "truncated": {m: flags.tolist() for m, flags in store.optional("truncated").items()},
            "failed": store.failed,
            "n_failed": store.n_failed,
            "widths": store.widths,
            "dtype": store.dtype,
            "n_rows": store.n_rows,
            "features": store.features().embeddings["image"][0].tobytes(),
            "blocks": [
                [block.n_rows, block.failed, *(v.tobytes() for _, v in block.arrays())]
                for block in store.blocks(block_rows=6)
            ],
        }
