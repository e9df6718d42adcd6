"""The parts of rows, each once: what is encoded where a row has several pictures or captions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfeat.extract.encoders.base import CAPTION, NEEDS, PICTURE
from mmfeat.extract.several.pool import pool
from mmfeat.store.layout import DIGEST_BYTES, Status
from mmfeat.tables.parts import split_parts
from mmfeat.tables.table import TableFormat
from mmfeat.types import IntArray

Separators = tuple[str | None, ...]  # of the parts of each input of a modality; None: it is one
BETWEEN = "\0"  # a picture and its caption, which have no NUL


def separators_of(format: TableFormat, modality: str) -> Separators:
    """What separates the parts of what a modality needs of a row."""
    separators = {PICTURE: format.image_sep, CAPTION: format.text_sep}
    return tuple(separators[part] for part in NEEDS[modality])


def split_input(cell: str, separators: Separators) -> list[str]:
    """The parts of what is encoded of a row: of pictures with captions, every pair of them.

    >>> split_input('["a.jpg", "b.jpg"]\\0["a bus", "a cow"]', ("|", "|"))
    ['a.jpg\\x00a bus', 'a.jpg\\x00a cow', 'b.jpg\\x00a bus', 'b.jpg\\x00a cow']
    """
    inputs = [
        (text,) if separator is None else split_parts(text)
        for text, separator in zip(cell.split(BETWEEN), separators, strict=True)
    ]
    return [BETWEEN.join(part) for part in product(*inputs)]


@dataclass(frozen=True, kw_only=True)
class RowParts:
    """The parts of n rows.

    Attributes
    ----------
    texts
        The distinct parts, (d,), in the order of the rows.
    places, bounds
        Of shape (p,) and (n + 1,): the parts of row i are the `texts` at
        ``places[bounds[i] : bounds[i + 1]]``, at least one.
    how
        How their vectors become one, see `pool`.
    """

    texts: tuple[str, ...]
    places: IntArray
    bounds: IntArray
    how: str

    @classmethod
    def of(cls, cells: Sequence[str], separators: Separators, how: str) -> RowParts:
        """Take the parts of inputs, see `split_input`."""
        rows = [split_input(cell, separators) for cell in cells]
        place: dict[str, int] = {}
        places = [place.setdefault(part, len(place)) for part in chain.from_iterable(rows)]
        return cls(
            texts=tuple(place),
            places=np.array(places, np.int64),
            bounds=np.cumsum([0, *map(len, rows)]),
            how=how,
        )

    def parts_of(self, row: int) -> IntArray:
        """The places of the parts of a row, (r,)."""
        return self.places[self.bounds[row] : self.bounds[row + 1]]

    def first_rows(self) -> IntArray:
        """The first row that has each of the distinct parts, (d,)."""
        _, first = np.unique(self.places, return_index=True)
        return np.searchsorted(self.bounds, first, side="right") - 1


def join_values(name: str, values: NDArray[Any], bounds: IntArray, how: str) -> NDArray[Any]:
    """Make what rows have in the dataset `name` of a modality from `values` (p, …) of their parts.

    Row i has those from ``bounds[i]`` to ``bounds[i + 1]``, at least one; a single one stays as it
    is. A row is ok where one of its parts is.
    """
    starts, counts = bounds[:-1], np.diff(bounds)
    joined = values[starts]
    several = np.flatnonzero(counts > 1)
    if not len(several):
        return joined
    kind = name.rpartition("/")[2]
    if kind == "embeddings":
        joined[several] = pool(values, bounds, how=how)[several]
    elif kind == "digests":
        for row in several.tolist():
            joined[row] = join_digests(values[bounds[row] : bounds[row + 1]])
    else:
        join = {"status": np.minimum, "truncated": np.maximum, "windows": np.add}[kind]
        joined = join.reduceat(values, starts)
    return joined


def join_digests(digests: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The digest (16,) of a row from those of its parts, (r, 16); zeros where all of them are.

    A picture that has several captions, or is there twice, counts once.
    """
    distinct = list(dict.fromkeys(digest.tobytes() for digest in digests))
    found = hashlib.sha256(b"".join(distinct)).digest() if len(distinct) > 1 else distinct[0]
    return np.frombuffer(found[:DIGEST_BYTES], np.uint8)


assert min(Status) == Status.OK, "the least status of the parts of a row is that of the row"
