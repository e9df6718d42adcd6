"""What a file must be before anything is read from it: a store may come from anybody.

Checked without allocating: links that leave the file, filters that inflate, types that run
code or point elsewhere, and sizes against the file's own.
"""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mmfeat.errors import DamagedStoreError, StoreError
from mmfeat.store.layout import (
    ARRAYS,
    MODALITY_NAME,
    OPTIONAL,
    RESERVED,
    SCHEMA,
    TEXTS,
    Array,
    canonical_json,
    in_order,
    modality_arrays,
    text_sha256,
)

LARGEST_JSON = 1 << 24  # of an index; HDF5 itself has attributes of at most 64 KiB
BROKEN = (
    OSError,
    RuntimeError,
    LookupError,
    ArithmeticError,
    ValueError,
    TypeError,
    AttributeError,
)


@dataclass(frozen=True, kw_only=True)
class Outline:
    """What a file was found to hold.

    Attributes
    ----------
    provenance, checksums
        Its attributes, as JSON.
    names
        Of its datasets.
    modalities
        In order.
    sizes
        By the names of dimensions of `mmfeat.store.layout`.
    """

    provenance: str
    checksums: str
    names: frozenset[str]
    modalities: tuple[str, ...]
    sizes: dict[str, int]


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
        if isinstance(error, OSError) and error.errno == errno.EAGAIN:  # what HDF5 makes of a lock
            raise StoreError(
                "a store is read while no program holds it open for writing",
                f"another program holds {path}",
                "close it there, and run the same command again",
            ) from error
        raise DamagedStoreError(
            "a feature store must be HDF5 files as mmfeat wrote them",
            f"{path}: {error}",
            "make it again with `mmfeat extract` or `mmfeat import`",
        ) from error


def check_file(file: h5py.File, path: Path, *, required: Collection[str]) -> Outline:
    """Say what a file holds.

    `required` names groups and texts that must be in it. Raises `StoreError` for a file of
    another schema, and `ValueError` where the layout is not that of `mmfeat.store.layout`.
    """
    provenance, checksums = (_attribute(file, name, path) for name in ("provenance", "checksums"))
    check_schema(json.loads(provenance).get("schema"), path)
    datasets = _datasets(file)
    sizes = _check_arrays(datasets, n_bytes=path.stat().st_size)
    modalities = in_order(set(file) - RESERVED)
    if not modalities:
        raise ValueError("it has no embeddings")
    for name in (*required, *file):
        _check_complete(name, datasets)
    for name in TEXTS:
        if f"{name}/offsets" in datasets:
            offsets = datasets[f"{name}/offsets"]
            if (offsets[0], offsets[-1]) != (0, sizes[f"bytes of {name}"]):
                raise ValueError(f"the offsets of {name} are not those of its bytes")
    return Outline(
        provenance=provenance,
        checksums=checksums,
        names=frozenset(datasets),
        modalities=modalities,
        sizes=sizes,
    )


def _attribute(file: h5py.File, name: str, path: Path) -> str:
    if name not in file.attrs:
        raise ValueError(f"it has no attribute {name!r}")
    attribute = file.attrs.get_id(name)
    string = h5py.check_string_dtype(attribute.dtype)
    if string is None or attribute.shape != ():
        raise ValueError(f"its attribute {name!r} is not text")
    if string.length is None:  # of variable length: not read, for a damaged one may take for ever
        check_schema(1, path)
    text = bytes(file.attrs[name]).decode("utf-8")
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError(f"its attribute {name!r} is not a JSON object")
    text_sha256(canonical_json(document))  # refuses NaN and half characters
    return text


def check_schema(schema: object, path: Path) -> None:
    """Raise `StoreError` where another version of mmfeat wrote the file."""
    if schema != SCHEMA:
        raise StoreError(
            f"this version of mmfeat reads stores of schema {SCHEMA}",
            f"{path} has schema {schema!r}",
            "remove it and make it again with `mmfeat extract …` or `mmfeat import …`",
        )


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Give the datasets by name; only groups of the layout are looked into."""
    groups = {prefix for name in ARRAYS for prefix in _prefixes(name)}
    groups |= {name for name in file if MODALITY_NAME.fullmatch(name)} - RESERVED
    found: dict[str, h5py.Dataset] = {}
    waiting: list[tuple[str, h5py.Group]] = [("", file)]
    while waiting:
        prefix, group = waiting.pop()
        for name in group:
            path = f"{prefix}{name}"
            check_link(group, name)
            item = group[name]
            if isinstance(item, h5py.Group) and path in groups:
                waiting.append((f"{path}/", item))
            elif isinstance(item, h5py.Dataset) and path not in groups:
                found[path] = plain_dataset(group, name)
            else:
                raise ValueError(f"{path} is not part of a store")
    return found


def check_link(group: h5py.Group, name: str) -> None:
    """Raise `ValueError` where a member of a group is a link that may leave the file."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} is a link that may leave the file")


def plain_dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    """Give a dataset whose numbers or texts of fixed length lie inside the file as they are.

    Raises `ValueError` for any other, e.g. one that is compressed, lies in another file, or has
    texts of variable length, which may loop for ever where they are damaged.
    """
    check_link(group, name)
    dataset = group[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        raise ValueError(f"{name} is not a dataset")
    if dataset.dtype.hasobject:
        raise ValueError(f"{name} has a type of variable length")
    creation = dataset.id.get_create_plist()
    if creation.get_layout() != h5py.h5d.CONTIGUOUS or creation.get_external_count():
        raise ValueError(f"{name} is not stored plainly inside the file")
    size = math.prod(dataset.shape) * dataset.id.get_type().get_size()
    if dataset.id.get_storage_size() != size:
        raise ValueError(f"{name} takes {dataset.id.get_storage_size()} bytes, not {size}")
    return dataset


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split("/")
    for n in range(1, len(parts)):
        yield "/".join(parts[:n])


def _check_arrays(datasets: dict[str, h5py.Dataset], *, n_bytes: int) -> dict[str, int]:
    """Check shapes, types and storage; give the sizes of dimensions."""
    sizes: dict[str, int] = {}
    for name, dataset in datasets.items():
        wanted = _wanted(name)
        if wanted is None:
            raise ValueError(f"{name} is not part of a store")
        shape = dataset.shape
        if len(shape) != len(wanted.dims):
            raise ValueError(f"{name} has shape {shape}")
        for dim, size in zip(wanted.dims, (shape[0] - wanted.extra, *shape[1:]), strict=True):
            if size < 0 or sizes.setdefault(dim, size) != size:
                raise ValueError(f"{name} is for {size} {dim}, the store has {sizes.get(dim)}")
        if dataset.dtype not in tuple(map(np.dtype, wanted.dtypes)):
            raise ValueError(f"{name} has type {dataset.dtype}")
        n_bytes -= dataset.id.get_storage_size()
        if n_bytes < 0:
            raise ValueError(f"{name} and what is before it are larger than the file")
    return sizes


def _wanted(name: str) -> Array | None:
    """What the layout says of a dataset; None where it has no such dataset."""
    top = name.split("/", maxsplit=1)[0]
    arrays = ARRAYS if top in RESERVED else modality_arrays(top)
    return arrays.get(name)


def _check_complete(name: str, datasets: dict[str, Any]) -> None:
    """Raise `ValueError` where `name`, which is at the top of the file, lacks a dataset."""
    arrays = ARRAYS if name in RESERVED else modality_arrays(name)
    for wanted in arrays:
        is_optional = wanted.rpartition("/")[2] in OPTIONAL
        if wanted.startswith(f"{name}/") and not is_optional and wanted not in datasets:
            raise ValueError(f"it has no dataset {wanted!r}")
