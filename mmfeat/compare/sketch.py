"""A sketch of the features of a comparison: some rows, few numbers of each, and fewer folds.

It lies in a workspace of its own, below that of the features, so that no run of a sketch is taken
for one of all rows. Rows are drawn by their ids, related ones together, so that all feature sets
keep the same ones. Numbers are reduced to the principal directions of the sketched rows; modalities
of one width share theirs, for fusions add them up. The same features give the same sketch. Heads
whose training does not shorten with the rows take fewer and larger steps, and none is refitted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mmfeat.core.plugins import resolve
from mmfeat.core.workspace import Workspace
from mmfeat.fit.heads import HEADS
from mmfeat.fit.training_data import Stores
from mmfeat.runs.config import RunConfig
from mmfeat.store import FeatureStore
from mmfeat.store.layout import Block, FailedRow, Rows, Status
from mmfeat.store.writer import write_store
from mmfeat.types import Embeddings, FloatArray, IntArray

FOLDER = "sketch"
SHARE, FEWEST_ROWS, MOST_ROWS = 0.2, 2_000, 6_000
BLOCK_ROWS = 4096  # that are read at a time
WIDTH = 96
FOLDS = 3

Directions = dict[tuple[str, int], FloatArray]  # (feature set, width) -> (width, fewer numbers)


def sketch(
    workspace: Workspace, cells: Sequence[RunConfig]
) -> tuple[Workspace, tuple[RunConfig, ...]]:
    """Write the sketched stores of `cells`; return their workspace and the cells on them."""
    aside = workspace_of_sketch(workspace)
    directions: Directions = {}
    for name in dict.fromkeys(name for cell in cells for name in cell.features or ("",)):
        for split in filter(None, (cells[0].split, cells[0].validation)):
            one = replace(cells[0], features=(name,) if name else (), split=split, validation=None)
            _write(workspace, aside, one, directions)
    return aside, tuple(
        replace(
            cell,
            folds=min(cell.folds, FOLDS),
            max_memory=None,
            exclude_labels=(),
            min_positives=0,
            near_copies="off",  # they are groups of the sketch
            settings={"final": "average", **sketched_settings(cell.head), **cell.settings},
        )
        for cell in cells
    )


def sketched_settings(head: str) -> dict[str, str]:
    """The settings that shorten the training of a head in a sketch."""
    found: dict[str, str] = resolve(head, HEADS, "head").sketched
    return found


def workspace_of_sketch(workspace: Workspace) -> Workspace:
    """Where the sketch of a workspace lies."""
    return Workspace(workspace.root / FOLDER)


def _write(workspace: Workspace, aside: Workspace, cell: RunConfig, directions: Directions) -> None:
    """Sketch the store that `cell` reads, with its labels left out and its near-copies grouped."""
    name = cell.features[0] if cell.features else ""
    training = Stores.of(cell).load(workspace)
    features = training.features
    rows = _drawn(features.ids, features.groups)
    with FeatureStore.open(workspace.store(cell.split, name or None)) as store:
        prompts, provenance = store.prompts, store.provenance
        values = {modality: _values(store, modality, rows) for modality in store.modalities}
    for width in {each.shape[1] for each in values.values()}:
        of_width = [each for each in values.values() if each.shape[1] == width]
        directions.setdefault((name, width), _principal(of_width))

    def reduced(array: Embeddings) -> FloatArray:
        found: FloatArray = array.astype(np.float32) @ directions[name, array.shape[1]]
        return found

    arrays = {modality: reduced(array) for modality, array in values.items()}
    if prompts is not None and (name, prompts.embeddings.shape[1]) in directions:
        prompts = replace(prompts, embeddings=reduced(prompts.embeddings))
    groups, names = features.groups, training.fold_names
    told = {"rows": len(rows), "of": features.n_rows, "numbers": WIDTH, "folds": FOLDS}
    provenance = {key: value for key, value in provenance.items() if key != "rows_per_file"}
    write_store(
        aside.store(cell.split, name or None),
        rows=Rows(
            ids=[features.ids[row] for row in rows],
            image_paths=[""] * len(rows),
            captions=None,
            targets=training.targets[rows],
            labels=features.labels,
            groups=None if groups is None else [str(number) for number in groups[rows]],
            folds=None if names is None else [names[row] for row in rows],
            times=None if training.times is None else training.times[rows],
        ),
        widths={modality: array.shape[1] for modality, array in arrays.items()},
        dtype="float32",
        provenance={**provenance, "n_rows": len(rows), "dtype": "float32", "sketch": told},
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


def _drawn(ids: Sequence[str], groups: IntArray | None) -> IntArray:
    """Rows of a random share, by the digest of their id or of that of their group's first row."""
    n_rows = len(ids)
    share = min(max(SHARE * n_rows, FEWEST_ROWS), MOST_ROWS) / n_rows
    units = np.arange(n_rows)
    if groups is not None:
        _, first, which = np.unique(groups, return_index=True, return_inverse=True)
        units = first[which]
    chosen = np.array([_number(ids[unit]) < share for unit in units.tolist()])
    return np.flatnonzero(chosen)


def _number(text: str) -> float:
    """A number in [0, 1) that looks random, and is always the same for a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


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
                f" of each embedding, {of['folds']} folds"
            )
    return ""
