"""A folder of images as a table: a row per image, with its path as its id, in order."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

from mmfeat.config import is_utf8
from mmfeat.errors import ExtractError, counted
from mmfeat.extract.images.nearby import SUFFIXES
from mmfeat.extract.images.sources import NAME_IT, ImagesAt, open_images
from mmfeat.tables.table import Table, TableFormat

READ = frozenset((*SUFFIXES, ".jpe", ".jfif", ".mpo", ".heif"))


def table_of_images(place: Path | str) -> Table:
    """List the images below a folder or an address; whether they can be read shows later.

    Left out, with a note that counts them, are hidden files, those in hidden folders, and files
    whose suffix is not that of an image. Captions are empty. Raises `ExtractError` where there is
    no image, or where a folder cannot be read.
    """
    images = open_images(place)
    images.check()
    shown = str(images if isinstance(images, ImagesAt) else place)  # no password of an address
    files = sorted(images.names())
    found = tuple(name for name in files if _is_image(name))
    others = sorted(set(files).difference(found))
    told = counted(len(others), "other file")
    if others:
        told += f", e.g. {others[0].encode(errors='replace').decode()}"
    if not found:
        raise ExtractError(
            "a folder of images has files with the suffix of an image",
            f"{shown} has none" + (f", and {told}" if others else ""),
            NAME_IT,
        )
    return Table(
        ids=found,
        image_paths=found,
        captions=("",) * len(found),
        targets=None,
        labels=(),
        source=shown,
        sha256=hashlib.sha256("\0".join(found).encode()).hexdigest(),
        notes=(f"{told}, left out",) if others else (),
        format=TableFormat(id_col=None, text_col=None, label_col=None),
    )


def _is_image(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in READ and not hidden and is_utf8(name)
