"""Labels under other names; labels that get one name become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmfeat.errors import ConfigError, TableError, counted, did_you_mean
from mmfeat.tables.labels.read import Labels
from mmfeat.tables.labels.targets import sorted_labels


def rename_labels(read: Labels, pairs: Sequence[str], source: str) -> Labels:
    """Rename labels by `pairs`, each ``OLD=NEW``; a table without labels stays as it is.

    Raises `ConfigError` for other texts, and `TableError` where neither name is a label.
    """
    if not pairs or read.targets is None:
        return read
    new_of = dict(map(_split, pairs))
    for old, new in new_of.items():
        if old not in read.labels and new not in read.labels:
            raise TableError(
                "a label that is renamed must be a label of the table",
                f"{old!r} is none of the {len(read.labels)} of {source}",
                did_you_mean(old, read.labels, "see `mmfeat check` for its labels"),
            )
    names = [new_of.get(label, label) for label in read.labels]
    labels = tuple(dict.fromkeys(names))
    if not read.format.label_cols:
        labels = sorted_labels(labels)
    place = {label: at for at, label in enumerate(labels)}
    targets = np.zeros((len(read.targets), len(labels)), np.uint8)
    for at, name in enumerate(names):
        column, other = targets[:, place[name]], read.targets[:, at]
        targets[:, place[name]] = np.where((column == 1) | (other == 1), 1, column | other)
    n_renamed = sum(new != old for old, new in zip(read.labels, names, strict=True))
    told = counted(n_renamed, "label is", "labels are")
    note = f"{told} renamed, {len(read.labels) - len(labels)} joined to others"
    return replace(read, targets=targets, labels=labels, notes=(*read.notes, note))


def _split(pair: str) -> tuple[str, str]:
    old, equals, new = pair.partition("=")
    if not equals or not old.strip() or not new.strip():
        raise ConfigError(
            "a label is renamed by OLD=NEW", f"{pair!r} is not", "write e.g. --rename-label cta=cat"
        )
    return old.strip(), new.strip()
