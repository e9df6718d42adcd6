"""Candidates among many rows by an index of faiss: inverted lists of projected vectors.

Vectors are added block by block and kept as float16, so that the features may stay in their
files. Each row is compared with the vectors of the lists nearest to it: a near-copy in another
list is missed, and so are copies beyond the first few.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np

from mmfeat.errors import PluginError
from mmfeat.near.projection import Projection
from mmfeat.near.rows import UnitRows
from mmfeat.types import IntArray

NEIGHBOURS = 16  # of a row that are looked at, itself included
LISTS_READ = 8
TRAIN_PER_LIST = 40


def index_candidates(
    left: UnitRows, right: UnitRows | None, projection: Projection, bound: float
) -> Iterator[IntArray]:
    """Yield pairs of places (p, 2) above the bound when projected, most of those that exist.

    Raises `PluginError` where faiss is missing.
    """
    faiss = load_faiss()
    indexed = left if right is None else right
    n_lists = max(1, int(len(indexed) ** 0.5))
    index = faiss.index_factory(
        projection.width, f"IVF{n_lists},SQfp16", faiss.METRIC_INNER_PRODUCT
    )
    index.train(projection.project(indexed.sample(TRAIN_PER_LIST * n_lists)))
    for _, vectors in indexed.blocks():
        index.add(projection.project(vectors))
    index.nprobe = LISTS_READ
    for start, vectors in left.blocks():
        products, found = index.search(projection.project(vectors), NEIGHBOURS)
        at, nth = np.nonzero((products >= bound) & (found >= 0))
        at, beside = at + start, found[at, nth]
        if right is None:
            other = at != beside
            at, beside = np.minimum(at, beside)[other], np.maximum(at, beside)[other]
        if len(at):
            yield np.unique(np.stack([at, beside], axis=1), axis=0)


def load_faiss() -> Any:
    """Import faiss; raise `PluginError` where it is missing."""
    try:
        return import_module("faiss")
    except ImportError as error:
        raise PluginError(
            "near-copies among more than 100,000 rows need faiss",
            "it is not installed",
            "pip install 'mmfeat[near]'",
        ) from error
