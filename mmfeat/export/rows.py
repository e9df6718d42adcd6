"""Pictures and captions at hand become features, by the code that encodes a store.

A picture is a path, the bytes of a file, a picture of Pillow, an array (height, width) or
(height, width, 3) of uint8, or None where there is none. Whatever it is, it is decoded and
resized as a picture of a store is, with the same limits.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmfeat.config import ExtractSettings, is_utf8
from mmfeat.core.parallel import thread_map
from mmfeat.errors import ConfigError, ExtractError, counted
from mmfeat.extract.encoders.base import CAPTION, PICTURE, Encoder, suffices, takes
from mmfeat.extract.guard import MAX_FILE_BYTES, Refusal, read_image_file, too_large
from mmfeat.extract.images.read import Decoded, decode_image, resize_image
from mmfeat.extract.images.sources import ImagesIn
from mmfeat.extract.plan import Plan
from mmfeat.extract.rows.encode import encode_rows
from mmfeat.extract.several.parts import join_values
from mmfeat.store.layout import Block, Status
from mmfeat.tables.table import Table
from mmfeat.types import Embeddings

Picture = str | Path | bytes | Image.Image | NDArray[np.uint8] | None
Images = Picture | Iterable[Picture | Sequence[Picture]]
Captions = str | Iterable[str | Sequence[str] | None] | None
AT_ONCE = 64  # pictures that are decoded ahead of the encoder


@dataclass(frozen=True, kw_only=True)
class RowEncoder:
    """An encoder, and how the rows were encoded that a run was fitted on.

    Attributes
    ----------
    modalities
        In the order of the store.
    dtype, fast, long_captions, pool
        Type of the stored numbers, whether JPEG was decoded approximately, what is done with
        captions longer than the context, and with several pictures or captions of a row.
    max_pixels
        Larger pictures are refused.
    """

    encoder: Encoder
    modalities: tuple[str, ...]
    dtype: str
    max_pixels: int
    fast: bool
    long_captions: str = "cut"
    pool: str = "mean"

    def encode(
        self,
        pictures: Sequence[Picture | Sequence[Picture]],
        captions: Sequence[str | Sequence[str]],
    ) -> dict[str, tuple[Embeddings, ...]]:
        """Give the embeddings (n, d) of each modality; what is missing is NaN.

        A row may have a list of several pictures or captions. Raises `ExtractError` for a picture
        that is there and cannot be read.
        """
        lists: dict[str, list[Sequence[Any]]] = {
            PICTURE: [_as_list(row, none=None) for row in pictures],
            CAPTION: [_as_list(row, none="") for row in captions],
        }
        one_each = all(len(row) == 1 for rows in lists.values() for row in rows)
        joined: dict[str, tuple[Embeddings, ...]] = {}
        for modalities in [self.modalities] if one_each else [(name,) for name in self.modalities]:
            joined |= replace(self, modalities=modalities)._encode_parts(lists)
        return joined

    def _encode_parts(
        self, lists: dict[str, list[Sequence[Any]]]
    ) -> dict[str, tuple[Embeddings, ...]]:
        """Encode the parts of rows, or every pair of their pictures and captions, and pool them."""
        needs = tuple(part for part in lists if takes(part, self.modalities))
        rows = [list(product(*row)) for row in zip(*(lists[part] for part in needs), strict=True)]
        parts = [dict(zip(needs, part, strict=True)) for part in chain.from_iterable(rows)]
        images = [part.get(PICTURE) for part in parts]
        block = self.encode_decoded(
            self._decode_all(images), [part.get(CAPTION, "") for part in parts]
        )
        for failed in block.failed:
            picture = images[failed.row]
            needs_picture = takes(PICTURE, [failed.modality])
            if needs_picture and failed.status != Status.EMPTY and picture is not None:
                name = picture if isinstance(picture, str | Path) else f"image {failed.row}"
                raise ExtractError(
                    "an image must be readable",
                    f"{name}: {failed.reason}",
                    "give another one, or None for a row without an image",
                )
        bounds = np.cumsum([0, *map(len, rows)])
        return {
            name: (join_values("embeddings", block.embeddings[name], bounds, self.pool),)
            for name in self.modalities
        }

    def encode_decoded(self, decoded: Iterator[Decoded], captions: Sequence[str]) -> Block:
        """Encode rows whose pictures are the results of `decode`, one per caption."""
        n_passes = len([name for name in self.modalities if takes(PICTURE, [name])])
        if n_passes > 1:  # each modality goes through the pictures
            decoded = iter(list(decoded) * n_passes)
        rows = np.arange(len(captions))
        names = tuple(map(str, range(len(captions))))
        plan = Plan(
            table=Table(
                ids=names,
                image_paths=names,
                captions=tuple(captions),
                targets=None,
                labels=(),
                source="the rows",
                sha256="",
            ),
            images=ImagesIn(Path()),
            settings=ExtractSettings(
                dtype=self.dtype, max_pixels=self.max_pixels, long_captions=self.long_captions
            ),
            modalities=self.modalities,
            batch_sizes=dict(self.encoder.batch_sizes),
            first=dict.fromkeys(self.modalities, rows),
            provenance={},
        )
        return encode_rows(
            plan, self.encoder, rows, since=0, decoded=decoded, advance=lambda *_: None
        )

    def _decode_all(self, pictures: Sequence[Picture]) -> Iterator[Decoded]:
        for start in range(0, len(pictures), AT_ONCE):
            part = range(start, min(start + AT_ONCE, len(pictures)))
            yield from thread_map(lambda row: self.decode(pictures[row]), part)

    def decode(self, picture: Picture) -> Decoded:
        """Give the pixels of a picture as the encoder takes them, or why there are none."""
        if self.encoder.preprocessing is None:
            return Refusal(Status.REFUSED, "the encoder takes no pictures")
        how: Any = {"preprocessing": self.encoder.preprocessing, "max_pixels": self.max_pixels}
        if isinstance(picture, np.ndarray):
            is_known = picture.dtype == np.uint8 and picture.shape[2:] in ((), (3,), (4,))
            if not is_known or not picture.size:
                found = f"it is an array of {picture.dtype}, {picture.shape}"
                return Refusal(Status.REFUSED, f"{found}; uint8 of (height, width, 3) is read")
            picture = Image.fromarray(picture)
        if isinstance(picture, Image.Image):
            return resize_image(picture, **how)
        return decode_image(_content(picture), fast=self.fast, **how)


def paired(
    images: Images, captions: Captions
) -> tuple[Sequence[Picture | Sequence[Picture]], Sequence[str | Sequence[str]]]:
    """The picture, or None, and the caption, or "", of each row, or a list of several.

    Raises `ConfigError` where there are no rows, or not as many of both.
    """
    pictures = None if images is None else _listed("images", images, is_one=_is_picture(images))
    texts = None
    if captions is not None:
        texts = _listed("captions", captions, is_one=isinstance(captions, str))
    if pictures is None and texts is None:
        raise ConfigError("a prediction needs rows", "none are given", "give images or captions")
    if pictures is not None and texts is not None and len(pictures) != len(texts):
        raise ConfigError(
            "a row is an image and its caption",
            f"there are {counted(len(pictures), 'picture')} and {counted(len(texts), 'caption')}",
            "give as many of both, with None where a row lacks one",
        )
    n_rows = len(pictures if pictures is not None else texts or ())
    return pictures or [None] * n_rows, [_texts(text) for text in texts or [None] * n_rows]


def is_enough(
    pictures: Sequence[Picture | Sequence[Picture]],
    captions: Sequence[str | Sequence[str]],
    modalities: Sequence[str],
) -> bool:
    """Whether any of the rows has any of the modalities."""
    return any(
        suffices(
            picture=any(part is not None for part in _as_list(picture, none=None)),
            caption=any(part.strip() for part in _as_list(caption, none="")),
            modalities=modalities,
        )
        for picture, caption in zip(pictures, captions, strict=True)
    )


def _is_picture(images: Images) -> bool:
    """Whether it is one picture, and no collection of them."""
    if isinstance(images, np.ndarray):
        return images.ndim in (2, 3)
    return isinstance(images, (str, Path, bytes, Image.Image))


def _listed(name: str, given: Any, *, is_one: bool) -> list[Any]:
    if is_one:
        return [given]
    if not isinstance(given, Iterable):
        raise ConfigError(
            f"{name} are one per row, or a single one", f"they are {given!r:.100}", "give a list"
        )
    return list(given)


def _as_list(row: Any, *, none: Any) -> Sequence[Any]:
    """The parts of a row, at least one."""
    return (row or [none]) if isinstance(row, (list, tuple)) else [row]


def _texts(caption: object) -> str | Sequence[str]:
    return (
        [_text(part) for part in caption] if isinstance(caption, (list, tuple)) else _text(caption)
    )


def _text(caption: object) -> str:
    if caption is None:
        return ""
    if not isinstance(caption, str) or not is_utf8(caption):
        raise ConfigError(
            "a caption is text, or None where a row has none",
            f"one of them is {caption!r:.100}",
            "give one of the two",
        )
    return caption


def _content(picture: object) -> bytes | Refusal:
    """The bytes of a file; what is no regular file of a sensible size is refused."""
    match picture:
        case None:
            return Refusal(Status.MISSING, "there is none")
        case bytes():
            return picture if len(picture) <= MAX_FILE_BYTES else too_large(len(picture))
        case str() | Path():
            if "\0" in str(picture):
                return Refusal(Status.REFUSED, "no file has NUL in its name")
            path = Path(os.path.realpath(picture))  # whoever names a file may name a link
            return read_image_file(path.parent, path.name)
        case _:
            return Refusal(Status.REFUSED, f"{type(picture).__name__} is no kind of image")
