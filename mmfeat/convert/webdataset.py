"""Tar files of webdataset and img2dataset: members that share a name but for its end are a row.

Pictures, text and JSON are read, nothing else is looked at: webdataset's decoders load pickles.
It also reads each member whole, whatever size it has, so the tar files are read by Python's own
tarfile. No member is unpacked under its own name.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from mmfeat.convert.rows import Format, Row, Source, damaged, texts
from mmfeat.extract.guard import MAX_FILE_BYTES
from mmfeat.extract.images.folder import READ

TEXTS = ("txt", "text", "caption", "cls", "json", "id")
SHARD = re.compile(r"[-_.]?\d+$")  # at the end of a name, e.g. of val-000000.tar
LARGEST_TEXT = 1 << 22  # bytes
Member = tuple[str, str, bytes]  # what a row shares, the end of the name, the content


def _is_folder(path: Path) -> bool:
    return any(tarfile.is_tarfile(file) for file in _files(path))


def _files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.tar")) if path.is_dir() else [path] * (path.suffix == ".tar")


def _read(source: Source) -> Iterator[Row]:
    top = source.path if source.path.is_dir() else source.path.parent
    for file in _files(source.path):
        split = file.parent.name if file.parent != top else SHARD.sub("", file.stem)
        try:
            with tarfile.open(file, "r:") as archive:
                for key, members in groupby(_members(archive, source), key=lambda one: one[0]):
                    row = _row(f"{file.stem}/{key}", split, list(members), source)
                    if row is not None:
                        yield row
                _check_end(archive, file)
        except (tarfile.TarError, EOFError) as error:
            raise damaged(file, f"it is no whole tar file ({error})") from None


def _members(archive: tarfile.TarFile, source: Source) -> Iterator[Member]:
    for member in archive:
        archive.members.clear()  # type: ignore[attr-defined]  # which it would keep for all rows
        folder, _, name = member.name.rpartition("/")
        stem, _, end = name.partition(".")
        end = end.lower()
        if not stem or member.isdir():
            continue
        is_text = end in TEXTS
        if not member.isreg() or member.issparse():
            source.odd["members that are no files, left out"] += 1
        elif not is_text and f".{end}" not in READ:
            source.odd[f"members that end with .{end[:20]}, left out"] += 1
        elif member.size > (LARGEST_TEXT if is_text else MAX_FILE_BYTES):
            source.odd["members that are too large, left out"] += 1
        else:
            content = archive.extractfile(member)
            assert content is not None  # a regular file
            yield str(PurePosixPath(folder, stem)), end, content.read()


def _check_end(archive: tarfile.TarFile, file: Path) -> None:
    """Raise `TableError` unless zeros end the archive: tarfile also stops at a damaged header."""
    with file.open("rb") as content:
        content.seek(archive.offset)
        if content.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise damaged(file, "it is cut off or damaged after its last whole member")


def _row(id: str, split: str, members: list[Member], source: Source) -> Row | None:
    """The row that the members are; None, counted, where it has no picture."""
    fields: dict[str, Any] = {}
    picture: bytes | None = None
    for _, end, content in members:
        if end == "json":
            fields = {**_object(content, source), **fields}
        elif end in TEXTS:
            fields[end] = content.decode("utf-8", errors="replace")
        else:
            picture = picture or content
    if picture is None:
        source.odd["rows without a picture, left out"] += 1
        return None
    label, text = source.find("label_col", fields), source.find("text_col", fields)
    if "text_col" not in source.columns:
        text = next((name for name in ("txt", "caption") if name in fields), text)
    return Row(
        split=split,
        id=id,
        picture=picture,
        captions=texts(fields.get(text)) if text else (),
        labels=tuple(dict.fromkeys(texts(fields[label]))) if label in fields else None,
    )


def _object(content: bytes, source: Source) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    source.odd["members .json that are no JSON object, left out"] += not isinstance(found, dict)
    return found if isinstance(found, dict) else {}


WEBDATASET = Format(is_format_of=_is_folder, read=_read)
