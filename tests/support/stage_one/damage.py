"""Damaged stores: one bit flipped at a random place, and everything read from what is left.

    python -m tests.support.stage_one.damage STORE SEED COUNT

The main program prints how many damaged stores were refused. It ends with an exception where
other data was read, where `verify` says something else, or where anything but `StoreError` came.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmfeat.errors import StoreError
from mmfeat.store import FeatureStore
from mmfeat.store.inspect import inspect_store
from mmfeat.store.verify import verify_store


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How many damaged stores were refused, and how many gave the right data."""

    refused: int
    unharmed: int


def everything(path: Path) -> dict[str, Any]:
    """What the reader says of a store, as plain values."""
    with FeatureStore.open(path) as store:
        found = inspect_store(path)
        del found["path"]
        return {
            "inspected": repr(found),
            "ids": store.ids,
            "image_paths": store.image_paths,
            "captions": store.captions,
            "groups": store.groups,
            "labels": store.labels,
            "targets": None if store.targets is None else store.targets.tolist(),
            "prompts": None if store.prompts is None else store.prompts.texts,
            "failed": store.failed,
            "blocks": [
                [block.failed, *((name, values.tobytes()) for name, values in block.arrays())]
                for block in store.blocks(block_rows=5)
            ],
        }


def damage(path: Path, *, seed: int, count: int) -> Outcome:
    """Read `count` damaged copies of the store at `path`."""
    content, right = path.read_bytes(), everything(path)
    rng = np.random.default_rng(seed)
    refused = unharmed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        for _ in range(count):
            at, bit = int(rng.integers(len(content))), int(rng.integers(8))
            copy.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
            findings = verify_store(copy)
            try:
                found = everything(copy)
            except StoreError:
                assert findings, f"bit {bit} of byte {at}: refused, but verify finds nothing"
                refused += 1
                continue
            assert not findings, f"bit {bit} of byte {at}: {findings}, but it is read"
            assert found == right, f"bit {bit} of byte {at} goes unnoticed"
            unharmed += 1
    return Outcome(refused=refused, unharmed=unharmed)


if __name__ == "__main__":
    print(damage(Path(sys.argv[1]), seed=int(sys.argv[2]), count=int(sys.argv[3])))
