"""Captions longer than an encoder's context, in windows that it holds entirely.

A caption is cut in two at the blank nearest to its middle, and each half again, until every piece
fits. So no window is a remainder of a word or two, and whatever tokenizer a family has says what
fits. A word that takes up most of a piece is cut itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mmfeat.extract.encoders.base import Encoder, Tokenized
from mmfeat.extract.guard import Refusal
from mmfeat.extract.several.pool import pool
from mmfeat.types import Embeddings, Float64Array, IntArray

BLANK = re.compile(r"\s+")

Encode = Callable[[Tokenized, Embeddings], dict[int, Refusal]]  # into an array; what failed


@dataclass(frozen=True, kw_only=True)
class LongCaptions:
    """Long captions, encoded: (n, d), the number of windows (n,), and by place what failed."""

    embeddings: Float64Array
    n_windows: IntArray
    refusals: dict[int, Refusal]


def encode_in_windows(
    encoder: Encoder, captions: Sequence[str], encode: Encode, *, like: Embeddings
) -> LongCaptions:
    """Take the mean of the unit vectors of the windows of each caption.

    `encode` puts embeddings into an array of the width and type of `like`. A window that fails is
    left out; a caption fails where all of its windows do.
    """
    windows = cut_windows(encoder, captions)
    found = np.empty((windows.bounds[-1], like.shape[1]), like.dtype)
    refused = encode(windows.tokenized, found)
    pooled = pool(found, windows.bounds)
    lost = np.flatnonzero(np.isnan(pooled).any(axis=1)).tolist()
    return LongCaptions(
        embeddings=pooled,
        n_windows=np.diff(windows.bounds),
        refusals={at: refused[int(windows.bounds[at])] for at in lost},
    )


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The windows (w,) of n captions: those of caption i from ``bounds[i]`` to the next."""

    tokenized: Tokenized
    bounds: IntArray


def cut_windows(encoder: Encoder, captions: Sequence[str]) -> Windows:
    """Cut captions, none of them blank, into windows that `encoder` does not truncate."""
    texts, rows = list(captions), np.arange(len(captions))
    while True:
        tokenized = encoder.tokenize(texts)
        pieces = [
            _halves(text) if is_cut else [text]
            for text, is_cut in zip(texts, tokenized.truncated, strict=True)
        ]
        if all(len(found) == 1 for found in pieces):
            ends = np.searchsorted(rows, np.arange(len(captions) + 1))
            return Windows(tokenized=tokenized, bounds=ends)
        rows = np.repeat(rows, list(map(len, pieces)))
        texts = [text for found in pieces for text in found]


def _halves(text: str) -> list[str]:
    """The two halves of a text, neither of them blank; a text of one letter is one."""
    text = text.strip()
    middle = len(text) // 2
    if not middle:
        return [text]
    blanks = BLANK.finditer(text, len(text) // 4, len(text) - len(text) // 4)
    spans = [(abs(blank.start() + blank.end() - len(text)), *blank.span()) for blank in blanks]
    _, end, start = min(spans, default=(0, middle, middle))
    return [text[:end], text[start:]]
