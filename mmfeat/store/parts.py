"""A store of many files: a folder of whole stores of consecutive rows each, and an index.

    features/train/00000.h5, 00001.h5, …   each says of which rows of how many it is
    features/train/index.json              the rows and the digest of each, the digest of the whole

It is `features/train.h5` to whoever asks for it. It is written into `features/train.h5.new/`, the
index last, and then moved, the index last again: a writer that is killed before the new index is
there leaves the store as it was, and after that the next writer moves what is left.
"""

from __future__ import annotations

import re
import shutil
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfeat.core.files import read_json, sync, write_json
from mmfeat.errors import StoreError
from mmfeat.store.hdf5.file import StoreFile
from mmfeat.store.hdf5.guard import LARGEST_JSON, check_schema, plain_errors
from mmfeat.store.layout import SCHEMA, FailedRow, store_digest
from mmfeat.store.texts import Texts

INDEX = "index.json"
SUFFIX = ".h5"
FILE_NAME = re.compile(r"\d{5,}\.h5")


def file_name(number: int) -> str:
    """The name of a file of such a store."""
    return f"{number:05d}{SUFFIX}"


def find_store(path: Path) -> Path | None:
    """The file that says the store at `path` is there: the store itself, or an index.

    `path` names a file or a folder. Raises `StoreError` where there are both.
    """
    index = _folder(path) / INDEX
    file = path if path.suffix == SUFFIX or path.is_file() else Path(f"{path}{SUFFIX}")
    if file.is_file() and index.is_file():
        raise StoreError(
            "a store is one file or one folder of files",
            f"{file} and {index} both exist",
            "remove the one that you do not need",
        )
    if index.is_file():
        return index
    return path if path.is_file() else None


def store_files(found: Path) -> list[Path]:
    """The files with rows of the store that `find_store` found."""
    if found.name != INDEX:
        return [found]
    files = sorted(found.parent.iterdir())
    return [file for file in files if FILE_NAME.fullmatch(file.name) and file.is_file()]


def open_files(index: Path, *, strict: bool = True) -> list[StoreFile]:
    """Open the files of a store; raise `StoreError` where they are not those of its index.

    `strict` as in `StoreFile`.
    """
    folder = index.parent
    with plain_errors(index), ExitStack() as stack:
        document = _read_index(index)
        n_rows = sum(entry["rows"] for entry in document["files"])
        files: list[StoreFile] = []
        outline: object = None
        start = 0
        for number, entry in enumerate(document["files"]):
            name = file_name(number)
            if entry["name"] != name:
                raise ValueError(f"file {number} must be {name}, it is {entry['name']!r}")
            if (folder / name).resolve().parent != folder.resolve():
                raise ValueError(f"{name} is a link out of the folder")
            if not (folder / name).is_file():
                raise ValueError(f"{name} is missing or not a file")
            file = StoreFile(folder / name, strict=strict)
            stack.callback(file.close)
            files.append(file)
            if (file.n_rows, file.digest) != (entry["rows"], entry["digest"]):
                raise ValueError(f"the rows or the digest of {name} are others")
            if file.provenance.get("part") != {"start": start, "n_rows": n_rows}:
                raise ValueError(f"{name} is not of the rows from {start} on, of {n_rows}")
            outline = outline or _outline(file)
            if _outline(file) != outline:
                raise ValueError(f"{name} has other columns or provenance than {files[0].path}")
            start += file.n_rows
        digests = {entry["name"]: entry["digest"] for entry in document["files"]}
        if document["digest"] != store_digest(whole_provenance(files[0].provenance), digests):
            raise ValueError("its digest is not that of its files")
        stack.pop_all()
    return files


class Parts:
    """The files of a store as one: their rows follow one another."""

    def __init__(self, files: Sequence[StoreFile]) -> None:
        self._files = files
        self._starts = tuple(accumulate((file.n_rows for file in files), initial=0))

    @property
    def n_rows(self) -> int:
        """The number of rows of all files."""
        return self._starts[-1]

    def numbers(self, name: str, rows: slice) -> NDArray[Any]:
        """Read rows of a dataset that has one entry per row."""
        first = self._files[0]
        if len(self._files) == 1:
            return first.numbers(name, rows)
        wanted = range(self.n_rows)[rows]
        if wanted.step < 0:
            raise StoreError(
                "rows are read forwards", f"{rows} goes backwards", "reverse the array instead"
            )
        out = np.empty((len(wanted), *first.shape(name)[1:]), first.dtype(name))
        for file, start in zip(self._files, self._starts, strict=False):
            begin, end = (bisect_left(wanted, row) for row in (start, start + file.n_rows))
            if begin < end:
                at = wanted[begin:end]
                part = slice(at.start - start, at.stop - start, at.step)
                file.numbers_into(out[begin:end], name, part)
        return out

    def text_blocks(self, name: str, *, block_bytes: int) -> Iterator[Texts]:
        """Read a text dataset with one text per row, about `block_bytes` at a time."""
        for file in self._files:
            yield from file.text_blocks(name, block_bytes=block_bytes)

    def texts(self, name: str) -> Texts:
        """Read a text dataset with one text per row."""
        sizes = [file.shape(f"{name}/bytes")[0] for file in self._files]
        data, offsets = np.empty(sum(sizes), np.uint8), np.empty(self.n_rows + 1, np.int64)
        at = 0
        for file, start, size in zip(self._files, self._starts, sizes, strict=False):
            part = offsets[start : start + file.n_rows + 1]
            file.texts_into(data[at : at + size], part, name)
            part += at
            at += size
        return Texts(data, offsets)

    def failed_blocks(self, *, block_rows: int) -> Iterator[list[FailedRow]]:
        """Read the failed rows, at most `block_rows` at a time."""
        for file, start in zip(self._files, self._starts, strict=False):
            for first in range(0, file.n_failed, block_rows):
                yield file.failed(slice(first, first + block_rows), start=start)


def write_index(folder: Path, digests: Sequence[str], provenance: dict[str, Any]) -> None:
    """Write the index of files with such digests; `provenance` is that of the whole."""
    n_rows, step = provenance["n_rows"], provenance["rows_per_file"]
    files = [
        {"name": file_name(i), "rows": min(step, n_rows - i * step), "digest": digest}
        for i, digest in enumerate(digests)
    ]
    whole = store_digest(provenance, {file["name"]: file["digest"] for file in files})
    write_json(folder / INDEX, {"schema": SCHEMA, "files": files, "digest": whole})


def part_provenance(provenance: dict[str, Any], start: int, n_rows: int) -> dict[str, Any]:
    """The provenance of a file with the `n_rows` rows from `start` on; given that of the whole."""
    part = {"start": start, "n_rows": provenance["n_rows"]}
    return provenance | {"n_rows": n_rows, "part": part}


def whole_provenance(provenance: dict[str, Any]) -> dict[str, Any]:
    """The provenance of the whole, given that of a file."""
    whole = {name: value for name, value in provenance.items() if name != "part"}
    return whole | {"n_rows": provenance["part"]["n_rows"]}


@contextmanager
def replacing_files(path: Path) -> Iterator[Path]:
    """Give a folder to write files and an index into; at the end they become the store `path`."""
    new = _new(path)
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    finish(path)


def finish(path: Path) -> None:
    """Move the files of a store that is whole to their place; remove those of one that is not."""
    move_whole(path)
    shutil.rmtree(_new(path), ignore_errors=True)


def move_whole(path: Path) -> None:
    """Move the files of a store that is whole to their place, if that is still to be done."""
    new, folder = _new(path), _folder(path)
    if (new / INDEX).is_file():
        folder.mkdir(exist_ok=True)
        n_files = len(_read_index(new / INDEX)["files"])
        names = [file_name(number) for number in range(n_files)]
        earlier = [old for old in folder.iterdir() if FILE_NAME.fullmatch(old.name)]
        others = {old.name for old in earlier if not _is_part(old)}
        if taken := sorted(others & set(names)):
            raise StoreError(
                "a file of a multi-file store must not replace another store",
                f"{folder / taken[0]} is a store by itself",
                "move it away, or choose another --split or --out",
            )
        (folder / INDEX).unlink(missing_ok=True)
        for old in earlier:
            if old.name not in {*names, *others}:
                old.unlink()
        for name in names:
            if (new / name).exists():
                (new / name).replace(folder / name)
        sync(folder)
        (new / INDEX).replace(folder / INDEX)
        sync(folder)
        shutil.rmtree(new, ignore_errors=True)


def _is_part(path: Path) -> bool:
    """Whether a file is one of many of a store."""
    try:
        with closing(StoreFile(path, strict=False)) as file:
            return "part" in file.provenance
    except StoreError:
        return False


def _folder(path: Path) -> Path:
    return path.with_suffix("") if path.suffix == SUFFIX else path


def _new(path: Path) -> Path:
    return Path(f"{path}.new")


def _read_index(path: Path) -> Any:
    if path.stat().st_size > LARGEST_JSON:
        raise ValueError("it is too large")
    document = read_json(path)
    check_schema(document.get("schema"), path)
    if not document["files"]:
        raise ValueError("it names no files")
    return document


def _outline(file: StoreFile) -> tuple[object, ...]:
    """What is the same in all files of a store."""
    kinds = {name: (file.shape(name)[1:], file.dtype(name)) for name in file.names}
    labels = file.texts("labels/names") if "labels" in file else []
    return kinds, labels, whole_provenance(file.provenance)
