"""What a file must be before anything is read from it: a store may come from anybody.

Checked without allocating: links that leave the file, filters that inflate, types that run
code or point elsewhere, and sizes against the file's own.
"""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from mmfeat.errors import StoreError
from mmfeat.store.layout import (
    DTYPES,
    MODALITIES,
    PROBLEM,
    SCHEMA,
    TEXT,
    canonical_json,
    text_sha256,
)

GROUPS = (*MODALITIES, "labels", "prompts")
ROW_TEXTS = ("ids", "image_paths", "captions")
REQUIRED = ("ids", "image_paths", "problems")
LARGEST_JSON = 1 << 24
BROKEN = (
    OSError,
    RuntimeError,
    LookupError,
    ArithmeticError,
    ValueError,
    TypeError,
    AttributeError,
)


@contextmanager
def plain_errors(path: Path) -> Iterator[None]:
    """Turn what h5py raises on a broken file into `StoreError`."""
    try:
        yield
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno == errno.EMFILE:
            raise StoreError(
                "all files of a store are open at once",
                f"{path} cannot be opened beside the others",
                "raise `ulimit -n`, or make the store again with more --rows-per-file",
            ) from error
        raise StoreError(
            "a feature store must be HDF5 files as mmfeat wrote them",
            f"{path}: {error}",
            "make it again with `mmfeat extract` or `mmfeat import`",
        ) from error


def check_store(file: h5py.File, path: Path) -> None:
    """Raise `StoreError` or `ValueError` where the layout is not that of `mmfeat.store.layout`."""
    _check_links(file)
    _check_attributes(file, path)
    for name in REQUIRED:
        if name not in file:
            raise ValueError(f"it has no dataset {name!r}")
    n_rows = file["ids"].shape[0] if file["ids"].ndim == 1 else -1
    modalities = [m for m in MODALITIES if m in file]
    if not modalities:
        raise ValueError("it has neither image nor text embeddings")
    for name in ROW_TEXTS:
        if name in file:
            _check_dataset(file[name], path, shape=(n_rows,), dtypes=(TEXT,))
    floats = tuple(map(np.dtype, DTYPES))
    for modality in modalities:
        group = file[modality]
        width = group["embeddings"].shape[-1]
        _check_dataset(group["embeddings"], path, shape=(n_rows, width), dtypes=floats)
        _check_dataset(group["status"], path, shape=(n_rows,), dtypes=(np.dtype("u1"),))
    if "text" in modalities:
        truncated = file["text/truncated"]
        _check_dataset(truncated, path, shape=(n_rows,), dtypes=(np.dtype("u1"),))
    if "labels" in file:
        n_labels = file["labels/names"].shape[0]
        targets = file["labels/targets"]
        _check_dataset(file["labels/names"], path, shape=(n_labels,), dtypes=(TEXT,))
        _check_dataset(targets, path, shape=(n_rows, n_labels), dtypes=(np.dtype("u1"),))
    if "prompts" in file:
        n_prompts, width = file["prompts/embeddings"].shape
        for name in ("labels", "texts"):
            _check_dataset(file[f"prompts/{name}"], path, shape=(n_prompts,), dtypes=(TEXT,))
        _check_dataset(file["prompts/embeddings"], path, shape=(n_prompts, width), dtypes=floats)
    n_problems = file["problems"].shape[0]
    _check_dataset(file["problems"], path, shape=(n_problems,), dtypes=(PROBLEM,))


def _check_links(file: h5py.File) -> None:
    for prefix in ("", *(f"{name}/" for name in GROUPS)):
        if prefix and prefix[:-1] not in file:
            continue
        group = file[prefix] if prefix else file
        if prefix and not isinstance(group, h5py.Group):
            raise ValueError(f"{prefix[:-1]} is not a group")
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{prefix}{name} is a link that may leave the file")
            is_group = isinstance(group[name], h5py.Group)
            if is_group != (not prefix and name in GROUPS):
                raise ValueError(f"{prefix}{name} is not part of a store")


def _check_attributes(file: h5py.File, path: Path) -> None:
    for name in ("provenance", "checksums"):
        if name not in file.attrs:
            raise ValueError(f"it has no attribute {name!r}")
        if file.attrs.get_id(name).get_storage_size() > LARGEST_JSON:
            raise ValueError(f"its attribute {name!r} is too large")
        if not isinstance(file.attrs[name], str):
            raise ValueError(f"its attribute {name!r} is not text")
        document = json.loads(file.attrs[name])
        if not isinstance(document, dict):
            raise ValueError(f"its attribute {name!r} is not a JSON object")
        text_sha256(canonical_json(document))  # refuses NaN and half characters
    check_schema(json.loads(file.attrs["provenance"]).get("schema"), path)


def check_schema(schema: object, path: Path) -> None:
    """Raise `StoreError` where another version of mmfeat wrote the file."""
    if schema != SCHEMA:
        raise StoreError(
            f"this version reads stores of schema {SCHEMA}",
            f"{path} has schema {schema!r}",
            "extract again, or use the version of mmfeat that wrote it",
        )


def _check_dataset(
    dataset: h5py.Dataset, path: Path, *, shape: tuple[int, ...], dtypes: tuple[np.dtype, ...]
) -> None:
    name = dataset.name.lstrip("/")
    if dataset.shape != shape:
        raise ValueError(f"{name} has shape {dataset.shape}, not {shape}")
    if dataset.dtype not in dtypes or not _same_strings(dataset.dtype, dtypes[0]):
        raise ValueError(f"{name} has type {dataset.dtype}")
    if dataset.external or dataset.is_virtual or dataset.chunks or dataset.compression:
        raise ValueError(f"{name} is not stored plainly inside the file")
    size = math.prod(shape) * dataset.id.get_type().get_size()
    if size > path.stat().st_size:
        raise ValueError(f"{name} claims {size} bytes, more than the file has")


def _same_strings(found: np.dtype, wanted: np.dtype) -> bool:
    if wanted.names is None:
        return bool(h5py.check_string_dtype(found) == h5py.check_string_dtype(wanted))
    return all(_same_strings(found[name], wanted[name]) for name in wanted.names)
