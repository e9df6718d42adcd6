"""Several feature sets of one split, joined by id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from mmfeat.core.groups import joined_groups
from mmfeat.errors import StoreError, counted
from mmfeat.store.layout import in_order
from mmfeat.store.reader import FeatureStore
from mmfeat.types import Embeddings, Features, FloatArray, IntArray, Targets


def read_features(paths: Sequence[Path]) -> Features:
    """Read one or several stores of the same rows; each store is one part of each modality.

    Rows stand in the order of the first store. Raises `StoreError` where ids or labels differ.
    """
    parts: list[Features] = []
    for path in paths:
        with FeatureStore.open(path) as store:
            parts.append(store.features(beside=parts[0] if parts else None))
    return _join(parts, paths)


@dataclass(frozen=True, kw_only=True)
class StoredFeatures:
    """Features of one or several stores that stay in their files and are read slice by slice.

    A `mmfeat.types.FeatureRows`. `memory` is how many bytes the rows that are read may take.
    """

    stores: tuple[FeatureStore, ...]
    memory: int
    ids: Sequence[str]
    targets: Targets | None
    labels: tuple[str, ...]
    prompts: tuple[FloatArray, ...]
    groups: IntArray | None = None
    kept: tuple[int, ...] | None = None  # which labels of the stores; None: all

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for store in self.stores:
            store.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the same files; groups may know more than they do."""
        paths = [store.path.resolve() for store in self.stores]
        opened = partial(_open_kept, memory=self.memory, kept=self.kept, groups=self.groups)
        return opened, (paths,)

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.ids)

    @property
    def n_bytes(self) -> int:
        """What the embeddings take where they are stored."""
        width = sum(sum(store.widths.values()) for store in self.stores)
        return self.n_rows * width * max(np.dtype(store.dtype).itemsize for store in self.stores)

    def with_labels(self, kept: IntArray) -> StoredFeatures:
        """Give the same rows with some of their labels, (j,) by place."""
        return replace(
            self,
            targets=None if self.targets is None else self.targets[:, kept],
            labels=tuple(self.labels[at] for at in kept),
            prompts=tuple(array[kept] for array in self.prompts),
            kept=tuple(kept.tolist()),
        )

    def part(self, rows: slice) -> Features:
        """Read consecutive rows."""
        return Features(
            ids=self.ids[rows],
            embeddings=_side_by_side(
                {modality: (store.embeddings(modality, rows),) for modality in store.modalities}
                for store in self.stores
            ),
            targets=None if self.targets is None else self.targets[rows],
            labels=self.labels,
            prompts=self.prompts,
            groups=None if self.groups is None else self.groups[rows],
        )


def open_features(paths: Sequence[Path], *, memory: int = 1 << 28) -> StoredFeatures:
    """As `read_features`, with the embeddings left in files until the end of a `with` block.

    Raises `StoreError` also where the rows of several stores stand in different orders.
    """
    with ExitStack() as stack:
        stores = tuple(stack.enter_context(FeatureStore.open(path)) for path in paths)
        first = stores[0].features(embeddings=False)
        others = [store.features(embeddings=False, beside=first) for store in stores[1:]]
        parts = [first, *others]
        joined = _join(parts, paths)
        for path, part in zip(paths, parts, strict=True):
            if part.ids != joined.ids:
                raise StoreError(
                    "feature sets that are read slice by slice have their rows in one order",
                    f"{path} has another than {paths[0]}",
                    "extract both from the same table, or leave out --max-memory",
                )
        stack.pop_all()
    return StoredFeatures(
        stores=stores,
        memory=memory,
        ids=joined.ids,
        targets=joined.targets,
        labels=joined.labels,
        prompts=joined.prompts,
        groups=joined.groups,
    )


def _open_kept(
    paths: Sequence[Path],
    *,
    memory: int,
    kept: tuple[int, ...] | None,
    groups: IntArray | None,
) -> StoredFeatures:
    opened = replace(open_features(paths, memory=memory), groups=groups)
    return opened if kept is None else opened.with_labels(np.array(kept, np.int64))


def _join(parts: Sequence[Features], paths: Sequence[Path]) -> Features:
    first = parts[0]
    aligned = [first]
    for path, part in zip(paths[1:], parts[1:], strict=True):
        aligned.append(_align(part, path, first, paths[0]))
    labelled = next((part for part in aligned if part.targets is not None), first)
    return Features(
        ids=first.ids,
        embeddings=_side_by_side(part.embeddings for part in aligned),
        targets=labelled.targets,
        labels=labelled.labels,
        groups=joined_groups(*(part.groups for part in aligned)),
        prompts=tuple(array for part in aligned for array in part.prompts)
        if all(part.prompts for part in aligned)
        else (),
    )


def _side_by_side(
    parts: Iterable[Mapping[str, tuple[Embeddings, ...]]],
) -> dict[str, tuple[Embeddings, ...]]:
    """Give each modality the arrays of every part that has it."""
    joined: dict[str, tuple[Embeddings, ...]] = {}
    for part in parts:
        for modality, arrays in part.items():
            joined[modality] = (*joined.get(modality, ()), *arrays)
    return {modality: joined[modality] for modality in in_order(joined)}


def _align(part: Features, path: Path, first: Features, first_path: Path) -> Features:
    """Put `part` in the order of `first`."""
    if part.ids == first.ids:
        rows = None
    else:
        row_of = {id_: row for row, id_ in enumerate(part.ids)}
        differing = [
            *(id_ for id_ in first.ids if id_ not in row_of),
            *sorted(set(part.ids) - set(first.ids)),
        ]
        if differing:
            raise StoreError(
                "feature sets that are joined must hold the same ids",
                f"{counted(len(differing), 'id is', 'ids are')} not in both {first_path} and"
                f" {path},"
                f" e.g. {', '.join(map(repr, differing[:3]))}",
                "extract both from the same table",
            )
        rows = np.array([row_of[id_] for id_ in first.ids])
    moved = part if rows is None else part.take(rows)
    if moved.targets is None or first.targets is None:
        return moved
    if moved.labels != first.labels or not np.array_equal(moved.targets, first.targets):
        raise StoreError(
            "feature sets that are joined must have the same labels",
            f"those of {first_path} and {path} differ",
            "extract both from the same table",
        )
    return moved
