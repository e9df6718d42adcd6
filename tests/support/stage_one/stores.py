"""Small stores, and ways to change what is in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from mmfeat.store import SCHEMA, Status
from mmfeat.store.layout import Block, Checksum, FailedRow, Rows
from mmfeat.store.writer import write_store

N, WIDTH = 12, 8


IDS = tuple(f"{row}.jpg" for row in range(N))


def make_store(
    path: Path,
    *,
    ids: tuple[str, ...] = IDS,
    failed: tuple[int, ...] = (3,),
    captions: tuple[str, ...] | None = None,
    dtype: str = "float16",
    seed: int = 0,
) -> Path:
    n = len(ids)
    values = np.random.default_rng(seed).normal(size=(n, WIDTH)).astype(dtype)
    status = np.full(n, Status.OK, np.uint8)
    for row in failed:
        values[row] = np.nan
        status[row] = Status.CORRUPT
    block = Block(
        embeddings={"image": values, "text": values[:, ::-1].copy()},
        status={"image": status, "text": status},
        failed=tuple(
            FailedRow(row=row, modality=m, status=Status.CORRUPT, reason="broken")
            for row in failed
            for m in ("image", "text")
        ),
    )
    write_store(
        path,
        rows=Rows(
            ids=ids,
            image_paths=ids,
            captions=captions or tuple(f"caption {i}" for i in ids),
            targets=np.eye(3, dtype=np.uint8)[np.arange(n) % 3],
            labels=("1", "2", "19"),
        ),
        widths={"image": WIDTH, "text": WIDTH},
        dtype=dtype,
        provenance={"schema": SCHEMA, "n_rows": n, "modalities": ["image", "text"], "encoder": {}},
        blocks=[block],
    )
    return path


def edit_text(name: str, row: int, value: bytes) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        start, stop = file[f"{name}/offsets"][row : row + 2]
        file[f"{name}/bytes"][start : stop - 1] = np.frombuffer(value, np.uint8)

    return change


def seal(file: h5py.File) -> None:
    """Write the checksums anew, so that what was changed in a file passes for what was written."""
    sums = json.loads(bytes(file.attrs["checksums"]))
    for name in sums.keys() - {"provenance"}:
        checksum = Checksum()
        checksum.add(file[name][:])
        sums[name] = checksum.hex
    set_attribute(file, "checksums", json.dumps(sums).encode())


def set_attribute(file: h5py.File, name: str, value: bytes) -> None:
    file.attrs.create(name, value, dtype=h5py.string_dtype("utf-8", len(value)))
