"""What near-copies relate: rows that are linked stay in one fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmfeat.core.groups import joined_groups, linked_groups
from mmfeat.near.bound import show_cosine
from mmfeat.near.links import Links, equal_pairs
from mmfeat.near.search import Pairs
from mmfeat.types import IntArray

LARGEST_PART = 0.2  # of the rows that links may chain together: a fold's worth


@dataclass(frozen=True, kw_only=True)
class Linked:
    """Groups with near-copies joined, and what is to be said about it.

    Attributes
    ----------
    groups
        Of shape (n,); None where every row is on its own.
    notes
        A sentence each.
    """

    groups: IntArray | None
    notes: tuple[str, ...]


def link_groups(groups: IntArray | None, links: Mapping[str, Links], ids: Sequence[str]) -> Linked:
    """Join groups, (n,) or None, by near-copies, as long as no chain holds a fifth of the rows.

    Where the near-copies of a modality would chain more together, only its equal rows are joined,
    and none of them where that is still too much.
    """
    notes: list[str] = []
    used: dict[str, Pairs] = {}
    for modality, link in links.items():
        notes += [_shared(modality, ids[row], count, len(ids)) for row, count in link.shared[:1]]
        equal = equal_pairs(link.pairs.rows[link.pairs.cosines == 1])
        for pairs in (link.pairs, equal):
            joined = joined_groups(groups, linked_groups(len(ids), pairs.rows))
            if _largest(joined) <= max(LARGEST_PART * len(ids), _largest(groups)):
                if len(pairs):
                    groups, used[modality] = joined, pairs
                break
        if len(used.get(modality, ())) < len(link.pairs):
            kept = "only rows with an equal one" if modality in used else "no rows"
            notes.append(_chained(modality, kept))
    if used:
        notes.insert(0, _told(used, links, ids))
    return Linked(groups=groups, notes=tuple(notes))


def _largest(groups: IntArray | None) -> int:
    return 1 if groups is None else int(np.unique(groups, return_counts=True)[1].max())


def _told(used: Mapping[str, Pairs], links: Mapping[str, Links], ids: Sequence[str]) -> str:
    n_rows = len(np.unique(np.concatenate([pairs.rows for pairs in used.values()])))
    ways = []
    for modality, pairs in used.items():
        at = int(pairs.cosines.argmin())
        first, second = (ids[row] for row in pairs.rows[at])
        bound = links[modality].bound
        ways.append(
            f"{len(np.unique(pairs.rows))} by {modality}"
            + (f" (cosine at least {show_cosine(bound)})" if bound is not None else "")
            + f", e.g. {first} and {second} ({show_cosine(float(pairs.cosines[at]))})"
        )
    return (
        f"{n_rows} of {len(ids)} rows have a near-copy and stay in its fold: {'; '.join(ways)};"
        " see `mmfeat duplicates`"
    )


def _shared(modality: str, id_: str, count: int, n_rows: int) -> str:
    return (
        f"{count} of {n_rows} rows have the {modality} of {id_}: a {modality} that so many share"
        " relates no rows"
    )


def _chained(modality: str, kept: str) -> str:
    return (
        f"near-copies by {modality} would chain more than a fifth of the rows together:"
        f" {kept} are kept together by {modality}"
    )
