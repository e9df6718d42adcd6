"""Texts as bytes and offsets: encoding, decoding, and which of them to read at once.

Each text ends with a NUL byte, so Python's own `str.split` decodes many at once; offsets say where
a text is, which checks what was split, and give texts that hold a NUL themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mmfeat.types import IntArray

BLOCK_BYTES = 1 << 20  # of texts that are read and decoded at once
END = "\0"

Bytes = NDArray[np.uint8]


def encode_texts(texts: Sequence[str]) -> tuple[Bytes, IntArray]:
    """Give the UTF-8 bytes (b,) of texts, each with its end, and the length of each, (m,)."""
    data = END.join((*texts, "")).encode("utf-8")
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    if lengths.sum() != len(data):  # not all ASCII: a character may have several bytes
        lengths = np.fromiter((len(t.encode("utf-8")) for t in texts), np.int64, len(texts)) + 1
    return np.frombuffer(data, np.uint8), lengths


def decode_texts(data: Bytes, offsets: IntArray) -> list[str]:
    """Give the m texts of `data` (b,), cut at `offsets` (m + 1,) less the first of them.

    Raises `ValueError` where a text does not end where it should, or is not UTF-8.
    """
    if len(offsets) == 1:
        return []
    if data[-1]:
        raise ValueError("a text does not end where its offsets say")
    texts = str(data.data, "utf-8").split(END)
    if len(texts) == len(offsets):
        del texts[-1]  # what is after the last end
        return texts
    ends = offsets - offsets[0] - 1  # a text holds a NUL itself
    if data[ends[1:]].any():
        raise ValueError("a text does not end where its offsets say")
    return [str(data[a + 1 : b].data, "utf-8") for a, b in pairwise(ends.tolist())]


def cut_offsets(offsets: IntArray, n_bytes: int, *, block_bytes: int) -> Iterator[IntArray]:
    """Cut `offsets` (m + 1,), m > 0, into blocks of texts, each with the offset at its end.

    A block has little more than `block_bytes`, or one text. Raises `ValueError` where offsets
    do not increase, or lie outside of the `n_bytes` bytes there are.
    """
    if offsets[0] < 0 or offsets[-1] > n_bytes or (offsets[1:] <= offsets[:-1]).any():
        raise ValueError(f"the offsets of texts do not increase within {n_bytes} bytes")
    ends = offsets[1:] - offsets[0]
    full = np.arange(block_bytes, ends[-1] + 1, block_bytes)
    cuts = np.unique(np.searchsorted(ends, full))
    for begin, end in pairwise((0, *cuts[cuts > 0].tolist(), len(ends))):
        yield offsets[begin : end + 1]
