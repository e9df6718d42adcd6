"""From a name in a table to the bytes of a file: nothing outside the folder is ever opened."""

from __future__ import annotations

from mmfeat.extract.guard.files import is_there, read_image_file
from mmfeat.extract.guard.refusal import MAX_FILE_BYTES, Refusal, too_large
from mmfeat.extract.guard.refuse import refuse_name

__all__ = [
    "MAX_FILE_BYTES",
    "Refusal",
    "is_there",
    "read_image_file",
    "refuse_name",
    "too_large",
]
