"""Rows with equal embeddings in several folds: a model that saw one of them knows the other."""

from __future__ import annotations

import numpy as np

from mmfeat.near.equal import keys_of
from mmfeat.types import FeatureRows, IntArray

READ_ROWS = 8192  # that are read at a time, which bounds the memory


def count_leaks(features: FeatureRows, folds: IntArray) -> int:
    """Count the rows whose embeddings occur, bit for bit, in another fold as well.

    Rows without any embedding are not alike.
    """
    keys = np.empty(len(folds), np.uint64)
    empty = np.zeros(len(folds), np.bool_)
    for start in range(0, len(folds), READ_ROWS):
        rows = slice(start, start + READ_ROWS)
        arrays = [array for parts in features.part(rows).embeddings.values() for array in parts]
        keys[rows] = keys_of(arrays)
        empty[rows] = np.all([np.isnan(array[:, 0]) for array in arrays], axis=0)
    _, twins = np.unique(keys, return_inverse=True)
    lowest, highest = np.full(len(folds), folds.max()), np.full(len(folds), folds.min())
    np.minimum.at(lowest, twins, folds)
    np.maximum.at(highest, twins, folds)
    return int(((lowest < highest)[twins] & ~empty).sum())
