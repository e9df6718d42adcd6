"""Many texts as bytes and offsets: strings are made of those that are asked for.

Each text ends with a NUL byte, so Python's own `str.split` decodes many at once; offsets say where
a text is, which checks what was split, and give texts that hold a NUL themselves.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from operator import eq
from typing import Any, SupportsIndex, final, overload

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES = 1 << 20  # of texts that are checked, compared or decoded at once
BLOCK_TEXTS = 1 << 16  # whose offsets are looked at at once
END = "\0"

Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]


@final
class Texts(Sequence[str]):
    """Texts that never change, in 8 bytes each and their own; equal to a tuple or list of them.

    Parameters
    ----------
    data
        Of shape (b,): UTF-8, each text followed by a NUL.
    offsets
        Of shape (m + 1,): where in `data` each text begins, and where the last ends.

    Raises `ValueError` where offsets do not increase within the bytes, a text does not end where
    they say, or is not UTF-8.

    >>> names = Texts(*encode_texts(["a.jpg", "b.jpg", "c.jpg"]))
    >>> names[1], names[1:] == ("b.jpg", "c.jpg"), names
    ('b.jpg', True, <3 texts: ['a.jpg', 'b.jpg', 'c.jpg']>)
    """

    __slots__ = ("_data", "_offsets")

    def __init__(self, data: Bytes, offsets: Offsets) -> None:
        for part in cut_offsets(offsets, len(data)):
            if data[part[1:] - 1].any():
                raise ValueError("a text does not end where its offsets say")
            str(data[part[0] : part[-1]].data, "utf-8")
        self._data, self._offsets = data, offsets

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, at: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Texts: ...
    def __getitem__(self, at: SupportsIndex | slice) -> str | Texts:
        """Give one text, or some of them; consecutive ones are not copied."""
        rows = range(len(self))[at]
        if isinstance(rows, int):
            begin, end = self._offsets[rows : rows + 2]
            return str(self._data[begin : end - 1].data, "utf-8")
        if rows.step != 1:
            return self.take(np.array(rows, np.int64))
        return _trusted(self._data, self._offsets[rows.start : rows.start + len(rows) + 1])

    def take(self, rows: NDArray[np.int64]) -> Texts:
        """Give the chosen texts, (j,) by place, in that order."""
        begins, ends = self._offsets[:-1][rows], self._offsets[1:][rows]
        offsets = np.concatenate([[0], np.cumsum(ends - begins)])
        data = np.empty(offsets[-1], np.uint8)
        for start in range(0, len(begins), BLOCK_TEXTS):
            part = slice(start, start + BLOCK_TEXTS)
            first, last = offsets[start], offsets[min(start + BLOCK_TEXTS, len(begins))]
            moved = np.repeat(begins[part] - offsets[:-1][part], ends[part] - begins[part])
            data[first:last] = self._data[moved + np.arange(first, last)]
        return _trusted(data, offsets)

    def encoded(self) -> tuple[Bytes, Offsets]:
        """Give the bytes (b,) of the texts and their offsets (m + 1,), which begin with 0."""
        first, last = self._offsets[[0, -1]]
        return self._data[first:last], self._offsets - first

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._decode())

    def _decode(self) -> Iterator[list[str]]:
        for part in cut_offsets(self._offsets, len(self._data)):
            texts = str(self._data[part[0] : part[-1]].data, "utf-8").split(END)
            if len(texts) == len(part):
                texts.pop()  # nothing is behind the last end
                yield texts
            else:  # a text holds a NUL itself
                yield [str(self._data[a : b - 1].data, "utf-8") for a, b in pairwise(part.tolist())]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Texts):
            return self is other or (len(self) == len(other) and self._has_bytes_of(other))
        if isinstance(other, (tuple, list)):
            return len(self) == len(other) and all(map(eq, self, other))
        return NotImplemented

    def _has_bytes_of(self, other: Texts) -> bool:
        for start in range(0, len(self), BLOCK_TEXTS):
            part = slice(start, start + BLOCK_TEXTS)
            (data, offsets), (others, ends) = self[part].encoded(), other[part].encoded()
            if not (np.array_equal(offsets, ends) and np.array_equal(data, others)):
                return False
        return True

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"<{len(self):,} texts: {reprlib.repr(list(self[: reprlib.aRepr.maxlist + 1]))}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Texts, self.encoded()


def encode_texts(texts: Sequence[str]) -> tuple[Bytes, Offsets]:
    """Give the UTF-8 bytes (b,) of m texts, each with its end, and offsets (m + 1,) from 0 on."""
    if isinstance(texts, Texts):
        return texts.encoded()
    data = END.join((*texts, "")).encode("utf-8")
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    if lengths.sum() != len(data):  # not all ASCII: a character may have several bytes
        lengths = np.fromiter((len(t.encode("utf-8")) for t in texts), np.int64, len(texts)) + 1
    return np.frombuffer(data, np.uint8), np.concatenate([[0], np.cumsum(lengths)])


def join_texts(texts: Sequence[str], separator: str) -> Iterator[memoryview]:
    """Give the UTF-8 bytes of ``separator.join(texts)`` block by block; it is one byte."""
    for start in range(0, len(texts), BLOCK_TEXTS):
        data, offsets = encode_texts(texts[start : start + BLOCK_TEXTS])
        joined = data.copy()
        joined[offsets[1:] - 1] = ord(separator)
        yield joined.data if start + BLOCK_TEXTS < len(texts) else joined.data[:-1]


def cut_offsets(
    offsets: Offsets, n_bytes: int, *, block_bytes: int = BLOCK_BYTES
) -> Iterator[Offsets]:
    """Cut `offsets` (m + 1,) into blocks of texts, each with the offset at its end.

    A block has little more than `block_bytes`, or one text. Raises `ValueError` where offsets
    do not increase, or lie outside of the `n_bytes` bytes there are.
    """
    for start in range(0, len(offsets) - 1, BLOCK_TEXTS):
        part = offsets[start : start + BLOCK_TEXTS + 1]
        if part[0] < 0 or part[-1] > n_bytes or (part[1:] <= part[:-1]).any():
            raise ValueError(f"the offsets of texts do not increase within {n_bytes} bytes")
        ends = part[1:] - part[0]
        full = np.arange(block_bytes, ends[-1] + 1, block_bytes)
        cuts = np.unique(np.searchsorted(ends, full))
        for begin, end in pairwise((0, *cuts[cuts > 0].tolist(), len(ends))):
            yield part[begin : end + 1]


def _trusted(data: Bytes, offsets: Offsets) -> Texts:
    """Make `Texts` of what was checked before."""
    texts = Texts.__new__(Texts)
    texts._data, texts._offsets = data, offsets
    return texts
