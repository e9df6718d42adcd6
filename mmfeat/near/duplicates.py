"""The verb `duplicates`: near-copies within a split, or between two."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmfeat.core.checks import check_arguments
from mmfeat.core.settings import override
from mmfeat.core.workspace import open_project
from mmfeat.errors import StoreError
from mmfeat.near.kept import load_links, load_links_between
from mmfeat.near.links import Links
from mmfeat.store import open_features
from mmfeat.store.reader import FeatureStore

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Duplicate:
    """Two rows that are nearly the same.

    Attributes
    ----------
    id, other
        Of the row, and of that of the same or of the other split.
    modality
        By which they are alike.
    cosine
        1: their embeddings are equal bit for bit.
    """

    id: str
    other: str
    modality: str
    cosine: float


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """The near-copies of a split.

    Attributes
    ----------
    split, against
        The split, and the one in which its rows have near-copies; None: itself.
    n_rows, n_copied
        The rows of the split, and those that have a near-copy.
    n_pairs
        The number of pairs.
    bounds
        The cosine from which rows are near-copies, by modality; None: only equal rows are.
    shared
        By modality, an id and how many rows share its embedding: too many to be related.
    pairs
        The nearest pairs, nearest first.
    """

    split: str
    against: str | None
    n_rows: int
    n_copied: int
    n_pairs: int
    bounds: dict[str, float | None]
    shared: dict[str, tuple[tuple[str, int], ...]]
    pairs: tuple[Duplicate, ...]

    def to_frame(self) -> pd.DataFrame:
        """Give one row per pair."""
        import pandas as pd  # noqa: PLC0415 - a third of a second, for this alone

        columns = list(Duplicate.__dataclass_fields__)
        return pd.DataFrame([asdict(pair) for pair in self.pairs], columns=columns)


@check_arguments
def duplicates(
    split: str | None = None,
    *,
    against: str | None = None,
    features: Sequence[str] = (),
    most: int | None = None,
    workspace: Path | str | None = None,
) -> Duplicates:
    """Find rows of a split that are nearly the same, or that another split has all but shown.

    Parameters
    ----------
    split, features
        Name of the store, and feature sets to join; see `mmfeat.config.FitSettings`.
    against
        Name of another store, in which near-copies of the rows are looked for; None: the same.
    most
        How many pairs are given; None: all.

    Raises
    ------
    MmfeatError
        `StoreError` for the stores, `RunError` for a damaged file of what was found.
    """
    project, space = open_project(workspace)
    split, names = override(project.fit, split=split).split, tuple(features)
    against = None if against == split else against
    paths = space.stores(split, names)
    with open_features(paths) as rows:
        ids = rows.ids
        if against is None:
            links, others = load_links(space, rows, split, names), ids
        else:
            links = load_links_between(space, paths, space.stores(against, names))
            with FeatureStore.open(space.stores(against, names)[0]) as store:
                others = store.ids
    if not links:
        raise StoreError(
            "splits that are compared have embeddings of one modality by the same encoder",
            f"{split} and {against} have none",
            "extract both with the same model",
        )
    columns = slice(0, 2 if against is None else 1)
    copied = [link.pairs.rows[:, columns].ravel() for link in links.values()]
    n_pairs = sum(len(link.pairs) for link in links.values())
    nearest = heapq.nlargest(
        n_pairs if most is None else most, _pairs(links, ids, others), key=lambda pair: pair.cosine
    )
    return Duplicates(
        split=split,
        against=against,
        n_rows=len(ids),
        n_copied=len(np.unique(np.concatenate([np.zeros(0, np.int64), *copied]))),
        n_pairs=n_pairs,
        bounds={name: link.bound for name, link in links.items()},
        shared={
            name: tuple((others[row], count) for row, count in link.shared)
            for name, link in links.items()
        },
        pairs=tuple(nearest),
    )


def _pairs(
    links: dict[str, Links], ids: Sequence[str], others: Sequence[str]
) -> Iterator[Duplicate]:
    for name, link in links.items():
        pairs = link.pairs.best_first()
        for (row, other), cosine in zip(pairs.rows.tolist(), pairs.cosines.tolist(), strict=True):
            yield Duplicate(id=ids[row], other=others[other], modality=name, cosine=cosine)
