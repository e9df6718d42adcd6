"""Texts as bytes and offsets: encoding, decoding, and which of them to read at once.

Ten million short texts are decoded in about a second by Python's own `str.split`: separators are
put between them in one pass of numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mmfeat.types import IntArray

BLOCK_BYTES = 1 << 18  # of texts that are decoded at once: what stays in a processor's cache
SEPARATOR = 0

Bytes = NDArray[np.uint8]


def encode_texts(texts: Sequence[str]) -> tuple[Bytes, IntArray]:
    """Give the UTF-8 bytes (b,) of texts, one after another, and the length of each, (m,)."""
    data = "".join(texts).encode("utf-8")
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    if lengths.sum() != len(data):  # not all ASCII: a character may have several bytes
        lengths = np.fromiter((len(t.encode("utf-8")) for t in texts), np.int64, len(texts))
    return np.frombuffer(data, np.uint8), lengths


def decode_texts(data: Bytes, offsets: IntArray) -> list[str]:
    """Give the m texts of `data` (b,), cut at `offsets` (m + 1,) less the first of them.

    Raises `UnicodeDecodeError` where a text is not UTF-8.
    """
    offsets = offsets - offsets[0]
    n_texts = len(offsets) - 1
    if n_texts == 0:
        return []
    if not data.all():  # the separator is in a text
        return [data[start:stop].tobytes().decode("utf-8") for start, stop in pairwise(offsets)]
    is_text = np.ones(len(data) + n_texts, np.bool_)
    is_text[offsets[1:] + np.arange(n_texts)] = False
    joined = np.full(len(is_text), SEPARATOR, np.uint8)
    joined[is_text] = data
    return joined[:-1].tobytes().decode("utf-8").split(chr(SEPARATOR))


def cut_offsets(offsets: IntArray, n_bytes: int, *, block_bytes: int) -> Iterator[IntArray]:
    """Cut `offsets` (m + 1,) into blocks of texts, each with the offset at its end.

    A block has little more than `block_bytes`, or one text. Raises `ValueError` where offsets
    decrease or lie outside of the `n_bytes` bytes there are.
    """
    lengths = np.diff(offsets)
    if offsets[0] < 0 or offsets[-1] > n_bytes or (lengths < 0).any():
        raise ValueError(f"its offsets decrease or lie outside of {n_bytes} bytes")
    ends = offsets[1:] - offsets[0]
    cuts = np.flatnonzero(np.diff(ends // block_bytes)) + 1
    for begin, end in pairwise((0, *cuts.tolist(), len(ends))):
        yield offsets[begin : end + 1]
