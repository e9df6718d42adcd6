"""Read the embeddings that other tools write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmfeat.core.files import why_no_file
from mmfeat.errors import ExtractError, counted
from mmfeat.types import Embeddings

ID_KEYS = ("ids", "id", "keys", "key", "ImageID", "image_path", "filename", "names")
EMBEDDING_KEYS = ("embeddings", "embedding", "features", "emb", "arr_0")
CLIP_RETRIEVAL = {"image": "img_emb", "text": "text_emb"}


@dataclass(frozen=True, kw_only=True)
class NamedArray:
    """Embeddings (n, d), float, with the ids of their rows where the source has them."""

    values: Embeddings
    ids: tuple[str, ...] | None = None


def read_array(path: Path, *, modality: str) -> NamedArray:
    """Read embeddings by suffix (see `ARRAYS`), or from a folder of clip-retrieval.

    Raises `ExtractError` for what is missing, broken, pickled, or no (n, d) array of numbers.
    """
    if not path.is_dir():
        _check_file(path)
    if not path.is_dir() and path.suffix not in ARRAYS:
        raise ExtractError(
            f"embeddings are a file of {', '.join(ARRAYS)}, or a folder of clip-retrieval",
            f"{path} is neither",
            "convert it, e.g. with numpy.save",
        )
    try:
        found = (
            _read_folder(path, modality) if path.is_dir() else ARRAYS[path.suffix](path, modality)
        )
    except ExtractError:
        raise
    except Exception as error:  # an unpickler raises anything on a damaged file
        found_text = str(error)
        if any(switch in found_text for switch in ("allow_pickle", "weights_only")):
            found_text = "it holds Python objects, which are never loaded, or is damaged"
        raise _broken(path, found_text) from error
    values = found.values
    if values.ndim != 2 or values.dtype.kind != "f" or 0 in values.shape:
        raise _broken(path, f"it has shape {values.shape} and type {values.dtype}")
    if found.ids is not None:
        _check_ids(found.ids, len(values), path)
    return found


def _check_ids(ids: tuple[str, ...], n_rows: int, path: Path) -> None:
    if len(ids) != n_rows:
        raise _broken(
            path, f"{counted(len(ids), 'id stands', 'ids stand')} beside {counted(n_rows, 'row')}"
        )
    first: dict[str, int] = {}
    for row, name in enumerate(ids):
        if first.setdefault(name, row) != row:
            n_different = len(set(ids))
            raise _broken(
                path,
                f"{n_different} different ids stand beside {n_rows} rows: rows {first[name]} and"
                f" {row} are both {name!r}",
            )


def _check_file(path: Path) -> None:
    """Raise `ExtractError` for what is missing, and for a pipe or a device: one may wait for it."""
    if not path.is_file():
        raise ExtractError(
            "the embeddings must be a file", f"{path} {why_no_file(path)}", "check the path"
        )


def _broken(path: Path, found: str) -> ExtractError:
    return ExtractError(
        "embeddings are one array of floats of shape (rows, width), with unique ids if any",
        f"{path}: {' '.join(found.split())[:300]}",
        "write it again",
    )


def _read_npy(path: Path, _modality: str) -> NamedArray:
    return NamedArray(values=np.load(path, mmap_mode="r", allow_pickle=False))


def _read_npz(path: Path, modality: str) -> NamedArray:
    with np.load(path, allow_pickle=False) as archive:
        return _by_key({name: archive[name] for name in archive.files}, modality)


def _read_pt(path: Path, modality: str) -> NamedArray:
    import torch  # noqa: PLC0415 (only for this kind of file)

    found = torch.load(path, map_location="cpu", weights_only=True)
    found = found if isinstance(found, dict) else {"embeddings": found}
    return _by_key({key: _from_tensor(value) for key, value in found.items()}, modality)


def _from_tensor(value: Any) -> Any:
    import torch  # noqa: PLC0415 (only for this kind of file)

    if not torch.is_tensor(value):
        return np.array(value)
    return (value.float() if value.dtype == torch.bfloat16 else value).detach().numpy()


def _read_parquet(path: Path, modality: str) -> NamedArray:
    import pyarrow.parquet as pq  # noqa: PLC0415 (only for this kind of file)

    table = pq.read_table(path)
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        is_list = "list" in str(column.type)
        columns[name] = np.stack(column.to_numpy()) if is_list else np.array(column.to_pylist())
    return _by_key(columns, modality)


def _by_key(found: dict[str, Any], modality: str) -> NamedArray:
    """Pick the embeddings: by the modality's name, by a usual name, or as the only matrix."""
    matrices = {key: value for key, value in found.items() if np.ndim(value) == 2}
    usual = (modality, f"{modality}_embeddings", f"{modality}_embedding", f"{modality}_emb")
    key = next((k for k in (*usual, *EMBEDDING_KEYS) if k in matrices), None)
    if key is None and len(matrices) == 1:
        key = next(iter(matrices))
    if key is None:
        raise ValueError(f"none of {list(found)} is clearly the {modality} embeddings")
    names = next((found[k] for k in ID_KEYS if k in found and np.ndim(found[k]) == 1), None)
    return NamedArray(
        values=np.asarray(matrices[key]),
        ids=None if names is None else tuple(map(_as_text, names.tolist())),
    )


def _as_text(name: Any) -> str:
    """The text of an id; whole numbers as a table has them, whatever type they are kept in."""
    if isinstance(name, bytes):
        return name.decode("utf-8")
    if isinstance(name, float) and name.is_integer():
        return str(int(name))
    return str(name)


def _read_folder(folder: Path, modality: str) -> NamedArray:
    """Read `img_emb/` or `text_emb/` and `metadata/` as clip-retrieval's inference writes them."""
    import pyarrow.parquet as pq  # noqa: PLC0415 (only for this kind of folder)

    if modality not in CLIP_RETRIEVAL:
        raise ValueError(f"clip-retrieval writes {' and '.join(CLIP_RETRIEVAL)}, no {modality}")
    parts = sorted((folder / CLIP_RETRIEVAL[modality]).glob("*.npy"), key=_part_number)
    if not parts:
        raise ValueError(f"it has no {CLIP_RETRIEVAL[modality]}/*.npy")
    metadata = sorted((folder / "metadata").glob("*.parquet"), key=_part_number)
    for part in (*parts, *metadata):
        _check_file(part)
    values = np.concatenate([np.load(part, allow_pickle=False) for part in parts])
    names: list[str] = []
    for part in metadata:
        table = pq.read_table(part)
        column = next(
            (key for key in ("image_path", "key", "id") if key in table.column_names), None
        )
        if column is None:
            return NamedArray(values=values)
        names += [_as_text(value) for value in table.column(column).to_pylist()]
    return NamedArray(values=values, ids=tuple(names) or None)


def _part_number(path: Path) -> int:
    digits = path.stem.rpartition("_")[2]
    return int(digits) if digits.isdigit() else 0


ARRAYS: dict[str, Callable[[Path, str], NamedArray]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".pt": _read_pt,
    ".parquet": _read_parquet,
}
