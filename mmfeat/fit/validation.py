"""Rows of another split that judge: they stand after the rows that a fit learns from."""

from __future__ import annotations

import logging

import numpy as np

from mmfeat.errors import FitError, counted
from mmfeat.types import UNKNOWN, Features, IntArray, Targets

log = logging.getLogger(__name__)


def append_rows(train: Features, judging: Features, *, split: str) -> Features:
    """Give the rows of both; `judging` are those of `split`, with the labels of `train`.

    Raises `FitError` where they lack labels, or have other modalities or widths.
    """
    if judging.targets is None or train.targets is None:
        raise FitError(
            "a split that judges needs labels",
            f"{split} was made from a table without labels",
            "name the column with `mmfeat extract --label-col`, or use another --validation",
        )
    shapes = [
        {name: [part.shape[1] for part in parts] for name, parts in rows.embeddings.items()}
        for rows in (train, judging)
    ]
    if shapes[0] != shapes[1]:
        raise FitError(
            "a split that judges must have the modalities and widths of the one that is fitted",
            f"{split} has {shapes[1]}, the other {shapes[0]}",
            "extract both with the same encoder and columns",
        )
    return Features(
        ids=(*train.ids, *judging.ids),
        embeddings={
            name: tuple(
                np.concatenate(pair) for pair in zip(parts, judging.embeddings[name], strict=True)
            )
            for name, parts in train.embeddings.items()
        },
        targets=np.concatenate([train.targets, _in_columns_of(train, judging, split)]),
        labels=train.labels,
        prompts=train.prompts,
        groups=_groups_of_both(train, judging),
    )


def _in_columns_of(train: Features, judging: Features, split: str) -> Targets:
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


def _groups_of_both(train: Features, judging: Features) -> IntArray | None:
    if train.groups is None and judging.groups is None:
        return None
    first, second = (
        np.arange(rows.n_rows) if rows.groups is None else rows.groups for rows in (train, judging)
    )
    return np.concatenate([first, second + first.max() + 1])
