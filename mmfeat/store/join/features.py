"""Several feature sets of one split, joined by id: `mmfeat.store.join.rows` says which rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from mmfeat.store.join.rows import Places, match_rows, merge
from mmfeat.store.layout import in_order
from mmfeat.store.reader import FeatureStore
from mmfeat.types import Embeddings, Features, Float64Array, FloatArray, IntArray, Targets


def read_features(paths: Sequence[Path]) -> Features:
    """Read one or several stores; each is one part of each modality.

    Raises `StoreError` where labels differ.
    """
    with open_features(paths, any_order=True) as stored:
        return stored.part(slice(None))


@dataclass(frozen=True, kw_only=True)
class StoredFeatures:
    """Features of one or several stores that stay in their files and are read slice by slice.

    A `mmfeat.types.FeatureRows`. `memory` is how many bytes the rows that are read may take.
    The stores `beside` give rows that `stores` lack, and no embeddings; `places` has both.
    """

    stores: tuple[FeatureStore, ...]
    memory: int
    ids: Sequence[str]
    targets: Targets | None
    labels: tuple[str, ...]
    prompts: tuple[FloatArray, ...]
    groups: IntArray | None = None
    kept: tuple[int, ...] | None = None  # which labels of the stores; None: all
    beside: tuple[FeatureStore, ...] = ()
    places: Places = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for store in (*self.stores, *self.beside):
            store.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the same files; groups may know more than they do."""
        paths, beside = (
            [store.path.resolve() for store in stores] for stores in (self.stores, self.beside)
        )
        opened = partial(_open_kept, memory=self.memory, kept=self.kept, groups=self.groups)
        return opened, (paths, beside)

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.ids)

    @property
    def n_bytes(self) -> int:
        """What the embeddings take where they are stored."""
        width = sum(sum(store.widths.values()) for store in self.stores)
        return self.n_rows * width * max(np.dtype(store.dtype).itemsize for store in self.stores)

    @property
    def n_lacking(self) -> tuple[int, ...]:
        """How many of the rows each of `stores` lacks."""
        places = self.places[: len(self.stores)]
        return tuple(0 if at is None else int((at < 0).sum()) for at in places)

    @property
    def image_paths(self) -> Sequence[str]:
        """The images' paths; raise `StoreError` where stores contradict, as all that follow."""
        found = self._merged("image_paths")
        assert found is not None, "every store has them"
        return found

    @property
    def captions(self) -> Sequence[str] | None:
        """The captions; None where no store has any."""
        return self._merged("captions")

    @property
    def folds(self) -> Sequence[str] | None:
        """The table's own folds; None where it named none."""
        return self._merged("folds")

    @property
    def times(self) -> Float64Array | None:
        """By which rows follow each other, (n,); None where the table named no times."""
        found = self._merged("times")
        return None if found is None else np.asarray(found, np.float64)

    def _merged(self, name: str) -> Sequence[Any] | None:
        stores = (*self.stores, *self.beside)
        return merge([getattr(store, name) for store in stores], self.places, name=name)

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
                {m: (_read(store, m, rows, at),) for m in store.modalities}
                for store, at in zip(self.stores, self.places, strict=False)
            ),
            targets=None if self.targets is None else self.targets[rows],
            labels=self.labels,
            prompts=self.prompts,
            groups=None if self.groups is None else self.groups[rows],
        )


def open_features(
    paths: Sequence[Path],
    *,
    memory: int = 1 << 28,
    beside: Sequence[Path] = (),
    any_order: bool = False,
) -> StoredFeatures:
    """As `read_features`, with the embeddings left in files until the end of a `with` block.

    Rows of the stores `beside` that the others lack are read, too. Raises `StoreError` also where
    the rows of several stores stand in different orders, unless that is `any_order`.
    """
    with ExitStack() as stack:
        stores = [stack.enter_context(FeatureStore.open(path)) for path in (*paths, *beside)]
        first = stores[0].features(embeddings=False)
        parts = [first, *(store.features(embeddings=False, beside=first) for store in stores[1:])]
        rows = match_rows(parts, [store.path for store in stores])
        if not any_order:
            rows.check_order()
        stack.pop_all()
    return StoredFeatures(
        stores=tuple(stores[: len(paths)]),
        memory=memory,
        ids=rows.ids,
        targets=rows.targets,
        labels=rows.labels,
        prompts=rows.prompts(len(paths)),
        groups=rows.groups,
        beside=tuple(stores[len(paths) :]),
        places=rows.places,
    )


def _open_kept(
    paths: Sequence[Path],
    beside: Sequence[Path],
    *,
    memory: int,
    kept: tuple[int, ...] | None,
    groups: IntArray | None,
) -> StoredFeatures:
    opened = open_features(paths, memory=memory, beside=beside)
    opened = replace(opened, groups=groups)
    return opened if kept is None else opened.with_labels(np.array(kept, np.int64))


def _read(store: FeatureStore, modality: str, rows: slice, at: IntArray | None) -> Embeddings:
    """Read rows of a store; NaN where it lacks one."""
    if at is None:
        return store.embeddings(modality, rows)
    wanted = at[rows]
    there = wanted >= 0
    span = (
        slice(int(wanted[there].min()), int(wanted[there].max()) + 1) if there.any() else slice(0)
    )
    found = store.embeddings(modality, span)
    out = np.full((len(wanted), found.shape[1]), np.nan, found.dtype)
    out[there] = found[wanted[there] - (span.start or 0)]
    return out


def _side_by_side(
    parts: Iterable[Mapping[str, tuple[Embeddings, ...]]],
) -> dict[str, tuple[Embeddings, ...]]:
    """Give each modality the arrays of every part that has it."""
    joined: dict[str, tuple[Embeddings, ...]] = {}
    for part in parts:
        for modality, arrays in part.items():
            joined[modality] = (*joined.get(modality, ()), *arrays)
    return {modality: joined[modality] for modality in in_order(joined)}
