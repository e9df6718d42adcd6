"""Folders of Hugging Face datasets: parquet files, or the Arrow files that `save_to_disk` wrote.

pyarrow reads both, a batch at a time, and the names of classes stand in their schema. The package
datasets reads them by pyarrow as well, and first copies parquet into a cache as large as itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mmfeat.convert.json_file import read_annotations
from mmfeat.convert.rows import Format, Row, Source, damaged, texts
from mmfeat.init.roles import is_named

ROWS = 64  # read at a time; a picture has a megabyte or so
NUMBERED = re.compile(r"^(.+?)-\d{5}-of-\d{5}")
PICTURES = ("image", "img", "picture", "photo", "jpg", "png")
FILES = ("filename", "imagepath", "path", "file")
STATE = "state.json"


def _is_folder(path: Path) -> bool:
    return any(_files(path))


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    """Each file with its split."""
    if path.suffix == ".parquet":
        yield _split_of(path), path
        return
    for file in sorted(path.rglob("*.parquet")):
        yield _split_of(file), file
    for state in sorted((*path.glob(STATE), *path.glob(f"*/{STATE}"))):
        document = read_annotations(state)
        listed = document.get("_data_files") if isinstance(document, dict) else None
        for one in listed if isinstance(listed, list) else []:
            name = one.get("filename") if isinstance(one, dict) else None
            if not isinstance(name, str) or Path(name).name != name:
                raise damaged(state, f"it lists {str(one)[:80]} as a file of the data set")
            yield ("train" if state.parent == path else state.parent.name), state.parent / name


def _split_of(file: Path) -> str:
    numbered = NUMBERED.match(file.stem)
    if numbered:
        return numbered[1]
    return file.parent.name if file.stem.isdecimal() else file.stem


def _read(source: Source) -> Iterator[Row]:
    source.images = source.images or (source.path if source.path.is_dir() else source.path.parent)
    counts: dict[str, int] = {}
    for split, file in _files(source.path):
        with _reading(file):
            schema, batches = _open(file)
            columns = _Columns(file, schema, source)
            for batch in batches:
                for row in batch.to_pylist():
                    number = counts[split] = counts.get(split, -1) + 1
                    yield columns.row(row, split, number)


class _Columns:
    """Which column of a file has which role."""

    def __init__(self, file: Path, schema: pa.Schema, source: Source) -> None:
        features = _features(schema)
        self.source = source
        images = [name for name in schema.names if _is_picture(schema.field(name), features)]
        named = [name for name in schema.names if is_named(name, FILES)]
        self.picture = next(iter((*images, *named)), None)
        others = [name for name in schema.names if name != self.picture]
        classes = [name for name in others if _classes(features.get(name))]
        self.label = source.find("label_col", classes) or source.find("label_col", others)
        if self.label is None and classes:
            self.label = classes[0]
        free = [name for name in others if name != self.label]
        self.text = source.find("text_col", free)
        self.id = source.columns.get("id_col")
        for role, name in source.columns.items():
            if name and name not in schema.names:
                raise damaged(
                    file,
                    f"it has no column {name!r} for {role}, but {', '.join(schema.names)}",
                )
        if self.picture is None and self.text is None:
            raise damaged(file, f"no column has pictures or captions: {', '.join(schema.names)}")
        self.names = _classes(features.get(self.label)) if self.label else None

    def row(self, row: Mapping[str, Any], split: str, number: int) -> Row:
        labels = None
        if self.label is not None and row[self.label] is not None:
            labels = tuple(dict.fromkeys(self._named(texts(row[self.label]))))
        return Row(
            split=split,
            id=str(row[self.id]) if self.id else str(number),
            picture=self._picture(row[self.picture]) if self.picture else "",
            captions=texts(row[self.text]) if self.text else (),
            labels=labels,
        )

    def _picture(self, cell: Any) -> str | bytes:
        if isinstance(cell, dict):
            content, path = cell.get("bytes"), cell.get("path")
            return content if isinstance(content, bytes) else str(path or "")
        return cell if isinstance(cell, bytes) else str(cell or "")

    def _named(self, cells: tuple[str, ...]) -> Iterator[str]:
        for cell in cells:
            if not self.names:
                yield cell
            elif cell.isdecimal() and int(cell) < len(self.names):
                yield self.names[int(cell)]
            elif cell in self.names:
                yield cell
            else:  # -1 stands where a test set hides its class
                self.source.odd["classes without a name, left out"] += 1


def _open(file: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    if file.suffix == ".parquet":
        opened = pq.ParquetFile(file)
        return opened.schema_arrow, opened.iter_batches(batch_size=ROWS)
    stream = pa.ipc.open_stream(pa.memory_map(str(file)))
    parts = (batch.slice(at, ROWS) for batch in stream for at in range(0, batch.num_rows, ROWS))
    return stream.schema, parts


def _features(schema: pa.Schema) -> Mapping[str, Any]:
    """What the library says about each column; nothing where another program wrote the file."""
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_picture(field: pa.Field, features: Mapping[str, Any]) -> bool:
    feature = features.get(field.name)
    if isinstance(feature, dict) and feature.get("_type") == "Image":
        return True
    if pa.types.is_struct(field.type):
        return {one.name for one in field.type} == {"bytes", "path"}
    is_bytes = pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type)
    return is_named(field.name, PICTURES) and (is_bytes or pa.types.is_string(field.type))


def _classes(feature: Any) -> list[str] | None:
    """The names of a class label, or of a sequence of them."""
    if isinstance(feature, list):
        return _classes(feature[0]) if feature else None
    if not isinstance(feature, dict):
        return None
    if feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list):
        return [str(name) for name in feature["names"]]
    return _classes(feature.get("feature"))


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise damaged(file, f"it cannot be read ({str(error).splitlines()[0]})") from None


DATASETS = Format(is_format_of=_is_folder, read=_read)
