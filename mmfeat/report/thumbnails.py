"""Thumbnails of rows as data URIs, few and small, read with the checks of stage one."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from mmfeat.errors import ExtractError
from mmfeat.extract.encoders.base import Preprocessing
from mmfeat.extract.guard import Refusal
from mmfeat.extract.images.read import decode_image
from mmfeat.extract.images.sources import open_images
from mmfeat.tables.parts import split_parts
from mmfeat.tables.table import TableFormat

SIDE = 192  # pixels
MAT = 24  # grey level around a picture that is not square
QUALITY = 72  # of JPEG: 4 to 10 kB
MAX_PIXELS = 100_000_000
MAX_BYTES = 4 * 2**20  # of all pictures of a page

WHOLE = Preprocessing(
    size=(SIDE, SIDE), mean=(0.5,) * 3, std=(0.5,) * 3, resize_mode="longest", fill=MAT
)

log = logging.getLogger(__name__)


def shown_of(
    made: TableFormat, captions: Sequence[str] | None, paths: Sequence[str]
) -> tuple[Sequence[str], Sequence[str]]:
    """What is shown of rows of such a table: captions, none without a column, and first images."""
    captions = captions or ()
    return (
        captions if made.text_sep is None else [" / ".join(split_parts(c)) for c in captions],
        paths if made.image_sep is None else [split_parts(path)[0] for path in paths],
    )


class Thumbnails:
    """Pictures of a folder or address, at most `limit` of them and `max_bytes` in total."""

    def __init__(self, images: Path | str, *, limit: int, max_bytes: int = MAX_BYTES) -> None:
        self._images = open_images(images)
        self._left, self._bytes_left = limit, max_bytes

    def take(self, name: str) -> tuple[str, str]:
        """Give (data URI, "") for the image `name`, or ("", why there is none)."""
        if self._left <= 0 or self._bytes_left <= 0:
            return "", "not shown, to keep the page small"
        try:
            (content,) = self._images.read([name])
        except ExtractError as error:
            log.warning("no pictures: %s", error)
            self._left = 0
            return "", "the images cannot be read"
        found = decode_image(content, preprocessing=WHOLE, max_pixels=MAX_PIXELS, fast=True)
        if isinstance(found, Refusal):
            return "", found.reason
        out = io.BytesIO()
        Image.fromarray(found[0]).save(out, format="JPEG", quality=QUALITY, optimize=True)
        text = base64.b64encode(out.getvalue()).decode("ascii")
        self._left -= 1
        self._bytes_left -= len(text)
        return f"data:image/jpeg;base64,{text}", ""
