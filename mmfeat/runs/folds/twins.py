"""Rows with equal embeddings in several folds: a model that saw one of them knows the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import chain

import numpy as np

from mmfeat.types import Embeddings, FeatureRows, IntArray

READ_ROWS = 8192  # that are read at a time, which bounds the memory


def count_leaks(features: FeatureRows, folds: IntArray) -> int:
    """Count the rows whose embeddings occur, bit for bit, in another fold as well.

    Rows without any embedding are not alike.
    """
    keys = np.empty(len(folds), np.uint64)
    empty = np.zeros(len(folds), np.bool_)
    for start in range(0, len(folds), READ_ROWS):
        part = features.part(slice(start, start + READ_ROWS))
        found = chain.from_iterable(part.embeddings.values())
        arrays = [np.ascontiguousarray(array) for array in found]
        for row, embeddings in enumerate(zip(*arrays, strict=True), start):
            keys[row] = _digest(embeddings)
            empty[row] = all(np.isnan(array[0]) for array in embeddings)
    _, twins = np.unique(keys, return_inverse=True)
    lowest, highest = np.full(len(folds), folds.max()), np.full(len(folds), folds.min())
    np.minimum.at(lowest, twins, folds)
    np.maximum.at(highest, twins, folds)
    return int(((lowest < highest)[twins] & ~empty).sum())


def _digest(arrays: Iterable[Embeddings]) -> int:
    total = hashlib.blake2b(digest_size=8)
    for array in arrays:
        total.update(array.data)
    return int.from_bytes(total.digest(), "little")
