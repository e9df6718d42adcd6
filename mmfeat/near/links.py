"""The near-copies of a split, or between two, per modality."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmfeat.errors import PluginError
from mmfeat.near.bound import near_bound
from mmfeat.near.equal import find_equal
from mmfeat.near.projection import choose_projection
from mmfeat.near.rows import UnitRows
from mmfeat.near.search import EXACT_ROWS, Pairs, find_pairs
from mmfeat.types import Embeddings, FeatureRows, IntArray

SAMPLE_ROWS = 4096

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Links:
    """Near-copies by one modality.

    Attributes
    ----------
    bound
        The cosine from which two rows are near-copies; None: only equal rows were looked for.
    pairs
        Pairs of rows; each further row of equal ones is in a pair with the first of them.
    shared
        A row and how many rows share its embedding, where they are too many to be related.
    is_complete
        Whether all that the search promises was looked for: no where a library is missing.
    """

    bound: float | None
    pairs: Pairs
    shared: tuple[tuple[int, int], ...] = ()
    is_complete: bool = True

    def to_json(self) -> dict[str, Any]:
        """Give the fields as JSON holds them."""
        return {
            "bound": self.bound,
            "rows": self.pairs.rows.tolist(),
            "cosines": self.pairs.cosines.tolist(),
            "shared": self.shared,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Links:
        """Read what `to_json` gave."""
        rows = np.array(document["rows"], np.int64).reshape(-1, 2)
        return cls(
            bound=document["bound"],
            pairs=Pairs(rows, np.array(document["cosines"], np.float32)),
            shared=tuple((int(row), int(count)) for row, count in document["shared"]),
        )


def modalities_of(features: FeatureRows) -> tuple[str, ...]:
    """The modalities that rows have."""
    return tuple(features.part(slice(0, 1)).embeddings)


def equal_pairs(rows: IntArray) -> Pairs:
    """Pairs of rows, (p, 2), that are equal bit for bit."""
    return Pairs(rows, np.ones(len(rows), np.float32))


def find_links(features: FeatureRows, *, exact_rows: int = EXACT_ROWS) -> dict[str, Links]:
    """Find the near-copies of a split by each modality, exactly or by the index; see `find_pairs`.

    Where a library that many rows need is missing, only equal rows are found, with a warning.
    """
    return {name: _find(features, name, exact_rows) for name in modalities_of(features)}


def find_links_between(features: FeatureRows, against: FeatureRows) -> dict[str, Links]:
    """Find the rows of `against` of which rows of `features` are near-copies, by each modality.

    A pair is a row of either. A modality whose vectors have another width there is left out.
    """
    first = slice(0, 1)
    own, theirs = features.part(first).embeddings, against.part(first).embeddings
    alike = [name for name in own if _widths(own[name]) == _widths(theirs.get(name, ()))]
    return {name: _find_between(features, against, name) for name in alike}


def _widths(arrays: Sequence[Embeddings]) -> list[int]:
    return [array.shape[1] for array in arrays]


def _find(features: FeatureRows, modality: str, exact_rows: int) -> Links:
    equal = find_equal(features, modality)
    rows = UnitRows(features=features, modality=modality, kept=equal.distinct)
    n_pairs = len(rows) * (len(rows) - 1) // 2
    links = _search(rows, rows, None, n_pairs=n_pairs, exact_rows=exact_rows)
    pairs = Pairs(rows.kept[links.pairs.rows], links.pairs.cosines)
    return replace(links, pairs=Pairs.join([equal_pairs(equal.pairs), pairs]), shared=equal.shared)


def _find_between(features: FeatureRows, against: FeatureRows, modality: str) -> Links:
    own, theirs = find_equal(features, modality), find_equal(against, modality)
    others = UnitRows(features=against, modality=modality, kept=theirs.distinct)
    by_key = np.argsort(theirs.keys[others.kept])
    keys = theirs.keys[others.kept][by_key]
    is_looked_for = own.first >= 0
    is_equal = is_looked_for & np.isin(own.keys, keys)
    twins = others.kept[by_key[np.searchsorted(keys, own.keys[is_equal])]]
    rows = UnitRows(
        features=features, modality=modality, kept=np.flatnonzero(is_looked_for & ~is_equal)
    )
    links = _search(others, rows, others, n_pairs=len(rows) * len(others))
    near = links.pairs.rows
    pairs = Pairs(
        np.stack([rows.kept[near[:, 0]], others.kept[near[:, 1]]], axis=1), links.pairs.cosines
    )
    equal = equal_pairs(np.stack([np.flatnonzero(is_equal), twins], axis=1))
    return replace(links, pairs=Pairs.join([equal, pairs]), shared=theirs.shared)


def _search(
    sampled: UnitRows,
    rows: UnitRows,
    others: UnitRows | None,
    *,
    n_pairs: int,
    exact_rows: int = EXACT_ROWS,
) -> Links:
    """Find pairs of places above the bound that `sampled` gives; see `find_pairs`."""
    if not n_pairs:
        return Links(bound=None, pairs=Pairs.join([]))
    sample = sampled.sample(SAMPLE_ROWS)
    bound = near_bound(sample, n_pairs)
    try:
        projection = choose_projection(sample, bound)
        pairs = find_pairs(rows, others, projection, bound, exact_rows=exact_rows)
    except PluginError as error:
        log.warning("only equal rows are found: %s", error)
        return Links(bound=None, pairs=Pairs.join([]), is_complete=False)
    return Links(bound=bound, pairs=pairs)
