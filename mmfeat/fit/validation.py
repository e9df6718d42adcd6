"""Rows of another split that judge: they stand after the rows that a fit learns from."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np

from mmfeat.errors import FitError, counted
from mmfeat.store import StoredFeatures
from mmfeat.types import UNKNOWN, Embeddings, FeatureRows, Features, IntArray, Targets

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StoredInTurn(StoredFeatures):
    """The rows of one split, then those of another; what is in a file is read slice by slice.

    Attributes
    ----------
    splits
        Both; labels and prompts are those of the first.
    """

    splits: tuple[Features | StoredFeatures, Features | StoredFeatures]

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the same files."""
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        return partial(StoredInTurn, **{**known, "stores": ()}), ()

    def part(self, rows: slice) -> Features:
        """Read consecutive rows."""
        first, second = self.splits
        begin, end, _ = rows.indices(self.n_rows)
        cut = first.n_rows
        return Features(
            ids=self.ids[rows],
            embeddings=_one_after_another(
                first.part(slice(min(begin, cut), min(end, cut))),
                second.part(slice(max(begin - cut, 0), max(end - cut, 0))),
            ),
            targets=None if self.targets is None else self.targets[rows],
            labels=self.labels,
            prompts=self.prompts,
            groups=None if self.groups is None else self.groups[rows],
        )


def append_rows(
    train: Features | StoredFeatures, judging: Features | StoredFeatures, *, split: str
) -> Features | StoredInTurn:
    """Give the rows of both; `judging` are those of `split`, with the labels of `train`.

    What is in files stays there. Raises `FitError` where they lack labels, or have other
    modalities or widths.
    """
    if judging.targets is None or train.targets is None:
        raise FitError(
            "a split that judges needs labels",
            f"{split} was made from a table without labels",
            "name the column with `mmfeat extract --label-col`, or use another --validation",
        )
    none = slice(0)
    shapes = [
        {name: [array.shape[1] for array in arrays] for name, arrays in part.embeddings.items()}
        for part in (train.part(none), judging.part(none))
    ]
    if shapes[0] != shapes[1]:
        raise FitError(
            "a split that judges must have the modalities and widths of the one that is fitted",
            f"{split} has {shapes[1]}, the other {shapes[0]}",
            "extract both with the same encoder and columns",
        )
    of_both: Any = {
        "ids": (*train.ids, *judging.ids),
        "targets": np.concatenate([train.targets, _in_columns_of(train, judging, split)]),
        "labels": train.labels,
        "prompts": train.prompts,
        "groups": _groups_of_both(train, judging),
    }
    stored = [rows for rows in (train, judging) if isinstance(rows, StoredFeatures)]
    if not stored:
        everything = slice(None)
        embeddings = _one_after_another(train.part(everything), judging.part(everything))
        return Features(embeddings=embeddings, **of_both)
    stores = tuple(store for rows in stored for store in rows.stores)
    memory = min(rows.memory for rows in stored)
    return StoredInTurn(splits=(train, judging), stores=stores, memory=memory, **of_both)


def _one_after_another(first: Features, second: Features) -> dict[str, tuple[Embeddings, ...]]:
    return {
        name: tuple(
            np.concatenate(pair) for pair in zip(parts, second.embeddings[name], strict=True)
        )
        for name, parts in first.embeddings.items()
    }


def _in_columns_of(train: FeatureRows, judging: FeatureRows, split: str) -> Targets:
    """The targets of `judging` for the labels of `train`, (m, k); a label it lacks is unknown."""
    assert judging.targets is not None
    own = {label: column for column, label in enumerate(judging.labels)}
    targets = np.full((judging.n_rows, len(train.labels)), UNKNOWN, np.uint8)
    for column, label in enumerate(train.labels):
        if label in own:
            targets[:, column] = judging.targets[:, own[label]]
    for names, what in (
        (set(train.labels) - set(own), "not known of"),
        (set(own) - set(train.labels), "not fitted and left out of"),
    ):
        if names:
            log.warning(
                "%s %s %s, e.g. %s",
                counted(len(names), "label is", "labels are"),
                what,
                split,
                ", ".join(sorted(names)[:3]),
            )
    return targets


def _groups_of_both(train: FeatureRows, judging: FeatureRows) -> IntArray | None:
    if train.groups is None and judging.groups is None:
        return None
    first, second = (
        np.arange(rows.n_rows) if rows.groups is None else rows.groups for rows in (train, judging)
    )
    return np.concatenate([first, second + first.max() + 1])
