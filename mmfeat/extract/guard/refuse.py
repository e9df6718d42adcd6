"""Names of images that are never looked for, and what is odd about those that are not found."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from mmfeat.extract.guard.refusal import Refusal
from mmfeat.store.layout import Status

URL = re.compile(r"\s*(?:[a-z][a-z0-9+.-]+://|www\.|data:image/)", re.IGNORECASE)


def refuse_name(name: str, folder: Path | None = None) -> Refusal | None:
    """Say why no file of this name is ever looked for, or give None.

    An absolute path is looked for only where it lies below `folder`, as it is written.
    """
    if not name.strip():
        return Refusal(Status.MISSING, "the table names no image")
    if "\0" in name:
        return Refusal(Status.REFUSED, "the name has a NUL, which no file has")
    if URL.match(name):
        return Refusal(
            Status.REFUSED,
            "the name is a URL, which is never fetched; download the images, and name their files"
            " relative to --images",
        )
    path = PurePosixPath(name)
    if ".." in path.parts:
        return Refusal(
            Status.REFUSED,
            "the name leaves the folder of images by `..`; names are relative to --images",
        )
    if path.is_absolute() and not (folder is not None and path.is_relative_to(folder)):
        return Refusal(
            Status.REFUSED,
            "the name is an absolute path outside of the folder of images; names are relative to"
            " --images, and --images / takes every absolute path",
        )
    return None


def not_found(name: str) -> Refusal:
    """The refusal of a name that no file has, with what is odd about the name."""
    odd = []
    if name != name.strip():
        odd.append(f"the name '{name}' begins or ends with a blank")
    if "\\" in name:
        odd.append("the name has backslashes, and folders are separated by /")
    return Refusal(Status.MISSING, "; ".join(["there is no such file", *odd]))
