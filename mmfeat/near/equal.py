"""Rows with equal embeddings, bit for bit, and embeddings that many rows share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from mmfeat.core.memory import slices
from mmfeat.types import Embeddings, FeatureRows, IntArray

READ_ROWS = 8192  # at a time, which bounds the memory
HELD_BYTES = 1 << 28
SHARED_ROWS, SHARED_PART = 20, 0.01  # a caption of more rows than both tells nothing of kinship

MIXER, HALF_WORD = np.uint64(0xBF58476D1CE4E5B9), np.uint64(32)

Keys = NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class EqualRows:
    """Which rows of a modality are equal.

    Attributes
    ----------
    keys
        Of shape (n,), uint64: equal for equal embeddings.
    first
        Of shape (n,): the first row with the same embedding; -1 for a row without one, and for
        one that shares it with too many.
    shared
        A row and the number of rows that share its embedding, where they are too many; the most
        frequent first.
    """

    keys: Keys
    first: IntArray
    shared: tuple[tuple[int, int], ...]

    @property
    def distinct(self) -> IntArray:
        """One row of each embedding, ascending."""
        return np.flatnonzero(self.first == np.arange(len(self.first)))

    @property
    def pairs(self) -> IntArray:
        """Each further row with the first that has its embedding, (p, 2)."""
        further = np.flatnonzero((self.first >= 0) & (self.first != np.arange(len(self.first))))
        return np.stack([self.first[further], further], axis=1)


def find_equal(features: FeatureRows, modality: str, *, held_bytes: int = HELD_BYTES) -> EqualRows:
    """Find equal rows; what more than a hundredth of the rows share, and more than 20, is left.

    Vectors that others are compared with take `held_bytes`, however many rows are equal.
    """
    n_rows = features.n_rows
    keys, empty = np.empty(n_rows, np.uint64), np.empty(n_rows, np.bool_)
    for rows in slices(n_rows, size=READ_ROWS):
        arrays = features.part(rows).embeddings[modality]
        empty[rows] = np.any([np.isnan(array[:, 0]) for array in arrays], axis=0)
        keys[rows] = keys_of(arrays)
    alike = _repeated(keys)
    alike = alike[~empty[alike]]  # a row that failed is like no other
    _separate(keys, alike, features, modality, held_bytes)
    _, at, which, counts = np.unique(
        keys[alike], return_index=True, return_inverse=True, return_counts=True
    )
    too_many = counts > max(SHARED_ROWS, SHARED_PART * n_rows)
    first = np.where(empty, -1, np.arange(n_rows))
    first[alike] = np.where(too_many, -1, alike[at])[which]
    order = np.flatnonzero(too_many)[np.argsort(-counts[too_many], kind="stable")]
    shared = tuple((int(alike[at[key]]), int(counts[key])) for key in order)
    return EqualRows(keys=keys, first=first, shared=shared)


def keys_of(arrays: Sequence[Embeddings]) -> Keys:
    """A number for each row, (n,), of the bytes of its vectors, (n, dᵢ) each: equal for equal rows.

    Words of 8 bytes are mixed (as in SplitMix64: the last bits of a product know nothing of the
    first of its factors), multiplied by random odd numbers and summed modulo 2⁶⁴. The numbers are
    the same in every call. Rows that differ share a key by chance in about one of 2⁶⁴ cases.
    """
    keys = np.zeros(len(arrays[0]), np.uint64)
    draws = np.random.default_rng(0)
    for array in arrays:
        words = _words(array)
        words ^= words >> HALF_WORD
        words *= MIXER
        words ^= words >> HALF_WORD
        keys += words @ (draws.integers(2**64, size=words.shape[1], dtype=np.uint64) | np.uint64(1))
    return keys


def _words(array: Embeddings) -> Keys:
    """A copy of the bytes of each row, in words of 8; the last is filled up with zeros."""
    raw = np.ascontiguousarray(array).view(np.uint8)
    padded = np.zeros((len(raw), -(-raw.shape[1] // 8) * 8), np.uint8)
    padded[:, : raw.shape[1]] = raw
    return padded.view(np.uint64)


def _repeated(keys: Keys) -> IntArray:
    """The rows whose key is that of another row as well, ascending."""
    in_order = np.sort(keys)
    repeated = in_order[1:][in_order[1:] == in_order[:-1]]
    place = np.searchsorted(repeated, keys)
    place[place == len(repeated)] = 0
    return np.flatnonzero(repeated[place] == keys) if len(repeated) else place[:0]


def _separate(
    keys: Keys, alike: IntArray, features: FeatureRows, modality: str, held_bytes: int
) -> None:
    """Give other keys, in place, to those of the rows `alike` that only share that of another row.

    They are compared with the first row of their key. As many of these are held at once as
    `held_bytes` take.
    """
    _, first, which = np.unique(keys[alike], return_index=True, return_inverse=True)
    none = features.part(slice(0)).embeddings[modality]
    n_words = sum(_words(array).shape[1] for array in none)
    n_held = max(1, held_bytes // (8 * n_words))
    leaders = np.sort(first)
    for chosen in np.split(leaders, range(n_held, len(leaders), n_held)):
        held = np.empty((len(chosen), n_words), np.uint64)
        compared = np.flatnonzero(np.isin(first[which], chosen))
        for part, words in _read(features, modality, alike[compared]):
            at = compared[part]
            leader = first[which[at]]
            place, is_leader = np.searchsorted(chosen, leader), leader == at
            held[place[is_leader]] = words[is_leader]
            differ = (held[place] != words).any(axis=1)
            for row, vectors in zip(alike[at[differ]], words[differ], strict=True):
                keys[row] = int.from_bytes(blake2b(vectors.data, digest_size=8).digest())


def _read(features: FeatureRows, modality: str, rows: IntArray) -> Iterator[tuple[slice, Keys]]:
    """Yield the words of ascending rows, after their places in `rows`, a slice at a time."""
    for part in slices(features.n_rows, size=READ_ROWS):
        low, high = np.searchsorted(rows, (part.start, part.stop)).tolist()
        if low < high:
            arrays = features.part(part).embeddings[modality]
            chosen = rows[low:high] - part.start
            yield slice(low, high), np.hstack([_words(array[chosen]) for array in arrays])
