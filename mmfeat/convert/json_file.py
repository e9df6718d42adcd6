"""JSON of annotations, which may have gigabytes of polygons that nobody needs here."""

from __future__ import annotations

import json
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from mmfeat.convert.rows import damaged
from mmfeat.core.files import open_file
from mmfeat.errors import counted

LARGEST = 1 << 32  # bytes of a file; a file and its text are in memory at once
SHAPES = ("segmentation", "bbox", "keypoints")  # dropped while the file is read


def read_annotations(path: Path) -> Any:
    """Read a JSON document without the shapes in it; raises `TableError` where it is none."""
    size = path.stat().st_size
    if size > LARGEST:
        raise damaged(path, f"it has {counted(size, 'byte')}, and at most {LARGEST:,} are read")
    with open_file(path) as file:
        content = file.read()
    try:
        return json.loads(content.decode("utf-8-sig"), object_hook=_without_shapes)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"it is no JSON ({error})") from None


def mentions(path: Path, key: str) -> bool:
    """Whether a file has the text of a JSON key, read without a parse."""
    if path.stat().st_size == 0:
        return False
    with open_file(path) as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return content.find(f'"{key}"'.encode()) >= 0


def begins_with(path: Path, sign: str) -> bool:
    """Whether the first character of a file, blanks left out, is `sign`."""
    if not path.is_file():
        return False
    with open_file(path) as file:
        return file.read(1 << 12).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(sign.encode())


def _without_shapes(found: dict[str, Any]) -> dict[str, Any]:
    for name in SHAPES:
        found.pop(name, None)
    return found
