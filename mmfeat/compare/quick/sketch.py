"""A sketch of the features of a comparison: some rows, few numbers of each, and one fit per cell.

It lies in a workspace of its own, below that of the features, so that no run of a sketch is taken
for one of all rows. The rows are those of `mmfeat.compare.quick.rows`, parted into a split that
heads learn from and one that judges. Numbers are reduced to the principal directions of the
sketched rows that heads learn from; modalities of one width share theirs, for fusions add them up.
The same features give the same sketch. Heads whose training does not shorten with the rows take
fewer and larger steps, and none is refitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mmfeat.compare.quick.rows import BLOCK_ROWS, Drawn, draw_rows, part_rows
from mmfeat.compare.trainings import on_all_rows
from mmfeat.core.plugins import resolve
from mmfeat.core.workspace import Workspace
from mmfeat.fit.heads import HEADS
from mmfeat.runs.config import RunConfig
from mmfeat.store import FeatureStore
from mmfeat.store.layout import Block, FailedRow, Rows, Status
from mmfeat.store.writer import write_store
from mmfeat.types import Embeddings, FloatArray, IntArray

JUDGING = "-judging"  # ends the name of the split of the rows that judge
WIDTH = 96
FOLDS = 3  # that thresholds are chosen on in turn; of few rows, or not random ones, also of heads

Directions = dict[tuple[str, int], FloatArray]  # (feature set, width) -> (width, fewer numbers)


def sketch(
    workspace: Workspace, cells: Sequence[RunConfig]
) -> tuple[Workspace, tuple[RunConfig, ...]]:
    """Write the sketched stores of `cells`; return their workspace and the cells on them."""
    aside = workspace.sketch
    first = on_all_rows(workspace, cells)[0]
    split, judging = first.split, first.validation
    rows = draw_rows(workspace, replace(first, validation=None))
    told: dict[str, Any] = {"rows": len(rows.ids), "of": rows.of, "numbers": WIDTH}
    parts = {split: (split, rows)}  # name of the written split -> the split that is read, its rows
    if judging is not None:
        whole = replace(first, split=judging, validation=None, exclude_labels=(), min_positives=0)
        parts[judging] = (judging, draw_rows(workspace, whole))
        told["judges"] = f"rows of {judging} judge"
    elif (halves := part_rows(rows)) is not None:
        judging = f"{split}{JUDGING}"
        parts = {split: (split, halves[0]), judging: (split, halves[1])}
        told["judges"] = f"{len(halves[1].ids):,} of them judge"
    else:
        told["judges"] = f"{min(first.folds or FOLDS, FOLDS)} folds"
    directions: Directions = {}
    for name in dict.fromkeys(name for cell in cells for name in cell.features or ("",)):
        for written, (read, own) in parts.items():
            _write(
                aside.store(written, name or None),
                workspace.store(read, name or None),
                name=name,
                rows=own,
                directions=directions,
                told=told,
            )
    return aside, tuple(
        replace(
            cell,
            folds=min(cell.folds or FOLDS, FOLDS),
            max_memory=None,
            exclude_labels=(),
            min_positives=0,
            near_copies="off",  # they are groups of the sketch
            validation=judging,
            settings={"final": "average", **sketched_settings(cell.head), **cell.settings},
        )
        for cell in cells
    )


def sketched_settings(head: str) -> dict[str, str]:
    """The settings that shorten the training of a head in a sketch."""
    found: dict[str, str] = resolve(head, HEADS, "head").sketched
    return found


def _write(
    out: Path,
    source: Path,
    *,
    name: str,
    rows: Drawn,
    directions: Directions,
    told: dict[str, Any],
) -> None:
    """Sketch those of the drawn `rows` that a store has, with their labels and groups."""
    with FeatureStore.open(source) as store:
        prompts, provenance = store.prompts, store.provenance
        ids = list(store.ids)
        kept = np.array([at for at, row_id in enumerate(ids) if row_id in rows.places], np.int64)
        values = {modality: _values(store, modality, kept) for modality in store.modalities}
    own = rows.take(np.array([rows.places[ids[at]] for at in kept.tolist()], np.int64))
    for width in {each.shape[1] for each in values.values()}:
        of_width = [each for each in values.values() if each.shape[1] == width]
        if (name, width) not in directions:
            directions[name, width] = _principal(of_width)

    def reduced(array: Embeddings) -> FloatArray:
        found: FloatArray = array.astype(np.float32) @ directions[name, array.shape[1]]
        return found

    arrays = {modality: reduced(array) for modality, array in values.items()}
    if prompts is not None and (name, prompts.embeddings.shape[1]) in directions:
        prompts = replace(prompts, embeddings=reduced(prompts.embeddings))
    provenance = {key: value for key, value in provenance.items() if key != "rows_per_file"}
    write_store(
        out,
        rows=Rows(
            ids=own.ids,
            image_paths=[""] * len(kept),
            captions=None,
            targets=own.targets,
            labels=own.labels,
            groups=None if own.groups is None else [str(number) for number in own.groups],
            folds=own.fold_names,
            times=own.times,
        ),
        widths={modality: array.shape[1] for modality, array in arrays.items()},
        dtype="float32",
        provenance={**provenance, "n_rows": len(kept), "dtype": "float32", "sketch": told},
        blocks=[_block(arrays)],
        prompts=prompts,
    )


def _values(store: FeatureStore, modality: str, rows: IntArray) -> FloatArray:
    """The embeddings of some rows, ascending, read in blocks: (m, d) float32."""
    found = []
    for start in range(0, store.n_rows, BLOCK_ROWS):
        low, high = np.searchsorted(rows, (start, start + BLOCK_ROWS)).tolist()
        block = store.embeddings(modality, slice(start, min(start + BLOCK_ROWS, store.n_rows)))
        found.append(block[rows[low:high] - start].astype(np.float32))
    return np.concatenate(found)


def _principal(arrays: Sequence[FloatArray]) -> FloatArray:
    """The directions with the largest squares of unit rows, (d, at most `WIDTH`)."""
    rows = np.concatenate([array[np.isfinite(array).all(axis=1)] for array in arrays])
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
    _, vectors = np.linalg.eigh((rows.T @ rows).astype(np.float64))
    found: FloatArray = vectors[:, ::-1][:, :WIDTH].astype(np.float32)
    return found


def _block(arrays: Mapping[str, FloatArray]) -> Block:
    bad = {modality: ~np.isfinite(array).all(axis=1) for modality, array in arrays.items()}
    failed = [
        FailedRow(row=int(row), modality=modality, status=Status.MISSING, reason="not embedded")
        for modality, flags in bad.items()
        for row in np.flatnonzero(flags)
    ]
    return Block(
        embeddings=arrays,
        status={m: np.where(bad[m], Status.MISSING, Status.OK).astype(np.uint8) for m in arrays},
        failed=tuple(sorted(failed, key=FailedRow.place)),
    )


def tell_sketch(stores: Sequence[Mapping[str, Any]]) -> str:
    """What a run on these stores, as its provenance has them, is a sketch of; empty if of none."""
    for store in stores:
        if "sketch" in store:
            of = store["sketch"]
            return (
                f"a sketch: {of['rows']:,} of {of['of']:,} rows, at most {of['numbers']} numbers"
                f" of each embedding, {of['judges']}"
            )
    return ""
