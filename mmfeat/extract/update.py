"""A store of an earlier table, or of earlier pictures, is brought up to date, or used by another.

1. Rows of the table are matched with rows of the store (`mmfeat.extract.changes`).
2. What has no match is extracted into a small store per modality, beside the store, by the engine
   that was asked for; a kill leaves its shards, as in any extraction.
3. The store is written anew from both and takes the place of the old one, if it is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfeat.extract.changes import Matches
from mmfeat.extract.plan import Plan, inputs_of
from mmfeat.extract.repeats import first_rows
from mmfeat.extract.summary import CheckedRows
from mmfeat.store.layout import (
    BLOCK_ROWS,
    OPTIONAL,
    Block,
    FailedRow,
    Rows,
    Status,
)
from mmfeat.store.prompts import Prompts
from mmfeat.store.reader import FeatureStore
from mmfeat.store.writer import WrittenRows, write_store
from mmfeat.types import IntArray, Table

GAP = 1024  # rows: what lies closer is read at once

Extract = Callable[[Plan, Path], None]


def update(plan: Plan, out: Path, matches: Matches, *, old: Path, extract: Extract) -> None:
    """Write the store `out` of the plan, in which only rows without a match in `old` are new.

    `extract` makes a store of a plan. Prompts stay where the labels are the same.
    """
    parts = {
        modality: _part(plan, modality, rows)
        for modality, rows in matches.items()
        if (rows < 0).any()
    }
    paths = {modality: out.with_name(f".{out.stem}.new-{modality}.h5") for modality in parts}
    for modality, part in parts.items():
        extract(part, paths[modality])
    with FeatureStore.open(old) as store:
        opened = {modality: FeatureStore.open(path) for modality, path in paths.items()}
        try:
            sources = {
                modality: _Source(
                    rows=rows,
                    old=store if (rows >= 0).any() else None,
                    new=opened.get(modality),
                )
                for modality, rows in matches.items()
            }
            prompts, told = _prompts(plan, store)
            write_store(
                out,
                rows=Rows.of(plan.table),
                widths={m: source.stores[0].widths[m] for m, source in sources.items()},
                dtype=plan.settings.dtype,
                provenance=plan.provenance | told,
                blocks=_blocks(sources, plan.table.n_rows),
                fill=CheckedRows(plan=plan, fill=_as_it_is),
                prompts=prompts,
            )
        finally:
            for new in opened.values():
                new.close()
    for path in paths.values():
        path.unlink(missing_ok=True)


def _part(plan: Plan, modality: str, rows: IntArray) -> Plan:
    """The plan of one modality of the rows without a match."""
    new = np.flatnonzero(rows < 0).tolist()
    table = plan.table
    ids, image_paths = ([texts[row] for row in new] for texts in (table.ids, table.image_paths))
    captions = None if table.captions is None else tuple(table.captions[row] for row in new)
    inputs = inputs_of(modality, image_paths, captions)
    part = Table(
        ids=tuple(ids),
        image_paths=tuple(image_paths),
        captions=captions,
        targets=None,
        labels=(),
        source=table.source,
        sha256=hashlib.sha256("\0".join((*ids, *inputs)).encode("utf-8")).hexdigest(),
    )
    return replace(
        plan,
        table=part,
        settings=replace(plan.settings, modalities=(modality,), rows_per_file=0),
        modalities=(modality,),
        first={modality: first_rows(inputs)},
        provenance={
            **{key: value for key, value in plan.provenance.items() if key != "rows_per_file"},
            "modalities": [modality],
            "table_sha256": part.sha256,
            "n_rows": part.n_rows,
        },
        shared=None,
    )


def _prompts(plan: Plan, store: FeatureStore) -> tuple[Prompts | None, dict[str, Any]]:
    """The prompts of the old store, with their provenance, where the labels are the same."""
    prompts = store.prompts
    if prompts is None or set(prompts.labels) != set(plan.table.labels):
        return None, {}
    return prompts, {"prompts": store.provenance["prompts"]}


def _as_it_is(block: Block, _start: int, _written: WrittenRows) -> Block:
    return block


@dataclass(frozen=True, kw_only=True)
class _Source:
    """Where one modality of the new store comes from; `rows` (n,) as in `Matches`."""

    rows: IntArray
    old: FeatureStore | None
    new: FeatureStore | None

    @property
    def stores(self) -> list[FeatureStore]:
        """The stores that rows come from."""
        return [store for store in (self.old, self.new) if store is not None]

    @cached_property
    def places(self) -> IntArray:
        """The row (n,) of each row in the store that it comes from."""
        return np.where(self.rows < 0, np.cumsum(self.rows < 0) - 1, self.rows)

    def read(self, name: str, rows: slice) -> NDArray[Any]:
        """Read rows of a dataset that one of the stores has at least."""
        is_new, places = self.rows[rows] < 0, self.places[rows]
        like = next(store for store in self.stores if name in store).numbers(name, slice(0, 0))
        out = np.zeros((len(places), *like.shape[1:]), like.dtype)
        for store, mask in ((self.old, ~is_new), (self.new, is_new)):
            if store is not None and name in store and mask.any():
                out[mask] = _read_rows(store, name, places[mask])
        return out

    def failed(self, modality: str, rows: slice, status: NDArray[np.uint8]) -> Iterator[FailedRow]:
        """Give why rows of such a status have no embedding."""
        for at in np.flatnonzero(status != Status.OK).tolist():
            row = rows.start + at
            known = self._reasons[bool(self.rows[row] < 0)][modality, int(self.places[row])]
            yield replace(known, row=row, id="")

    @cached_property
    def _reasons(self) -> list[dict[tuple[str, int], FailedRow]]:
        """The failed rows of the old and of the new store."""
        return [
            {} if store is None else {(row.modality, row.row): row for row in store.failed}
            for store in (self.old, self.new)
        ]


def _read_rows(store: FeatureStore, name: str, rows: IntArray) -> NDArray[Any]:
    """Read any rows (m,) of a dataset, those that lie near each other together."""
    unique, which = np.unique(rows, return_inverse=True)
    groups = np.split(unique, np.flatnonzero(np.diff(unique) > GAP) + 1)
    parts = [
        store.numbers(name, slice(int(group[0]), int(group[-1]) + 1))[group - group[0]]
        for group in groups
    ]
    return np.concatenate(parts)[which]


def _blocks(sources: Mapping[str, _Source], n_rows: int) -> Iterator[Block]:
    optional = {
        name: [m for m, s in sources.items() if any(f"{m}/{name}" in each for each in s.stores)]
        for name in OPTIONAL
    }
    for start in range(0, n_rows, BLOCK_ROWS):
        rows = slice(start, min(start + BLOCK_ROWS, n_rows))
        status = {m: source.read(f"{m}/status", rows) for m, source in sources.items()}
        failed = [f for m, s in sources.items() for f in s.failed(m, rows, status[m])]
        yield Block(
            embeddings={m: source.read(f"{m}/embeddings", rows) for m, source in sources.items()},
            status=status,
            **{
                name: {m: sources[m].read(f"{m}/{name}", rows) for m in modalities}
                for name, modalities in optional.items()
            },
            failed=tuple(sorted(failed, key=FailedRow.place)),
        )
