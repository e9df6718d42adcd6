"""A store of an earlier table, or of earlier pictures, is brought up to date, or used by another.

1. Rows of the table are matched with rows of the store (`mmfeat.extract.updates.changes`).
2. What has no match is extracted into a small store per modality, beside the store, by the engine
   that was asked for; a kill leaves its shards, as in any extraction. Of rows with several pictures
   or captions, the distinct parts are the rows of that store, and are pooled when it is read.
3. The store is written anew from both and takes the place of the old one, if it is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfeat.extract.plan import Plan, columns_of, inputs_of, rows_of
from mmfeat.extract.repeats import first_rows
from mmfeat.extract.several.parts import RowParts, separators_of
from mmfeat.extract.several.pooled_store import PooledStore, read_rows
from mmfeat.extract.summary import CheckedRows
from mmfeat.extract.updates.changes import Matches
from mmfeat.store.inspect import failed_part_texts
from mmfeat.store.layout import (
    BLOCK_ROWS,
    OPTIONAL,
    Block,
    FailedRow,
    Status,
)
from mmfeat.store.prompts import Prompts
from mmfeat.store.reader import FeatureStore
from mmfeat.store.writer import WrittenRows, write_store
from mmfeat.tables.table import Table
from mmfeat.types import IntArray

Parts = dict[str, tuple[Path, Plan]]  # by modality: the store of what is new, and its plan


def update(plan: Plan, out: Path, matches: Matches, parts: Parts, *, old: Path | None) -> None:
    """Write the store `out` of the plan, in which only rows without a match in `old` are new.

    Those are in the stores of `parts`, which are removed. Prompts stay where the labels are the
    same. Without `old`, no row has a match.
    """
    with ExitStack() as stack:
        store = None if old is None else stack.enter_context(FeatureStore.open(old))
        sources = {
            modality: _Source(
                rows=rows,
                old=store if (rows >= 0).any() else None,
                new=_open_new(plan, modality, rows, parts[modality][0], stack)
                if modality in parts
                else None,
            )
            for modality, rows in matches.items()
        }
        prompts, told = (None, {}) if store is None else _prompts(plan, store)
        failed = (part for source in sources.values() for part in source.failed_parts())
        write_store(
            out,
            rows=replace(
                rows_of(plan.table), failed_parts=failed_part_texts(failed, plan.table.n_rows)
            ),
            widths={m: source.stores[0].widths[m] for m, source in sources.items()},
            dtype=plan.settings.dtype,
            provenance=plan.provenance | told,
            blocks=_blocks(sources, plan.table.n_rows),
            fill=CheckedRows(plan=plan, fill=_as_it_is),
            prompts=prompts,
        )
    for path, _ in parts.values():
        path.unlink(missing_ok=True)


def parts_of(plan: Plan, out: Path, matches: Matches) -> Parts:
    """The plan of each modality that has rows without a match, and where its store lies."""
    return {
        modality: (
            out.with_name(f".{out.stem}.new-{modality}.h5"),
            _part(plan, modality, np.flatnonzero(rows < 0)),
        )
        for modality, rows in matches.items()
        if (rows < 0).any()
    }


def _open_new(
    plan: Plan, modality: str, rows: IntArray, path: Path, stack: ExitStack
) -> FeatureStore | PooledStore:
    """Open the store of what was new, which `stack` closes."""
    store = stack.enter_context(FeatureStore.open(path))
    if not plan.is_several(modality):
        return store
    return PooledStore(store=store, parts=_row_parts(plan, modality, np.flatnonzero(rows < 0)))


def _row_parts(plan: Plan, modality: str, rows: IntArray) -> RowParts:
    table = plan.table
    cells = inputs_of(modality, table.image_paths, table.captions)
    chosen, separators = (
        [cells[row] for row in rows.tolist()],
        separators_of(table.format, modality),
    )
    return RowParts.of(chosen, separators, table.format.pool or "mean")


def _part(plan: Plan, modality: str, rows: IntArray) -> Plan:
    """The plan of one modality of some rows, or of the distinct parts that make them up."""
    table = plan.table
    captions: Sequence[str] | None
    if plan.is_several(modality):
        parts = _row_parts(plan, modality, rows)
        rows, inputs = rows[parts.first_rows()], parts.texts
        image_paths, captions = columns_of(inputs, modality)
    else:
        image_paths = tuple(table.image_paths[row] for row in rows)
        captions = None if table.captions is None else tuple(table.captions[row] for row in rows)
        inputs = tuple(inputs_of(modality, image_paths, captions))
    ids = tuple(table.ids[row] for row in rows)
    part = Table(
        ids=ids,
        image_paths=image_paths,
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
    new: FeatureStore | PooledStore | None

    @property
    def stores(self) -> list[FeatureStore | PooledStore]:
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
                out[mask] = read_rows(store, name, places[mask])
        return out

    def failed(self, modality: str, rows: slice, status: NDArray[np.uint8]) -> Iterator[FailedRow]:
        """Give why rows of such a status have no embedding."""
        for at in np.flatnonzero(status != Status.OK).tolist():
            row = rows.start + at
            known = self._reasons[bool(self.rows[row] < 0)][modality, int(self.places[row])]
            yield replace(known, row=row, id="")

    def failed_parts(self) -> Iterator[FailedRow]:
        """Give the failed parts of rows; those that stay have none, see `match_rows`."""
        if isinstance(self.new, PooledStore):
            new = np.flatnonzero(self.rows < 0)
            yield from (replace(part, row=int(new[part.row])) for part in self.new.failed_parts)

    @cached_property
    def _reasons(self) -> list[dict[tuple[str, int], FailedRow]]:
        """The failed rows of the old and of the new store."""
        return [
            {} if store is None else {(row.modality, row.row): row for row in store.failed}
            for store in (self.old, self.new)
        ]


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
