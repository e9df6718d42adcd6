"""What is in a store, in numbers that a person can judge."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfeat.store.hdf5.guard import plain_errors
from mmfeat.store.layout import FailedRow, Status, canonical_json
from mmfeat.store.reader import FeatureStore
from mmfeat.types import UNKNOWN

FIRST_FAILED = 10
QUANTILES = {"min": 0.0, "median": 0.5, "max": 1.0}
BLOCK_ROWS = 1024
MOST_BLOCKS = 64


def inspect_store(
    path: Path, *, block_rows: int = BLOCK_ROWS, most_blocks: int = MOST_BLOCKS
) -> dict[str, Any]:
    """Return JSON: rows, labels, widths, counts per status, failed rows, norms, cosines, digest.

    `norms`, `cosine`, `cosine_shuffled`, `labels_per_row` and `known_labels`, the share of the rows
    of which each label is known, are of `rows_looked_at` rows: all, or `most_blocks` blocks of
    `block_rows` that are evenly spaced in a large store. Everything else is exact. `cosine` is that
    of the first two modalities of a row, `cosine_of`, e.g. of an image and its own caption, and
    `cosine_shuffled` that of the first modality and the next row's second: a model that understands
    both has the first higher. They are None where there is only one modality, or the widths differ.
    """
    # what is zero or too large has no cosine or norm, and `_spread` leaves it out
    with FeatureStore.open(path) as store, np.errstate(all="ignore"):
        norms: dict[str, list[NDArray[np.float32]]] = {m: [] for m in store.modalities}
        paired: list[NDArray[np.float32]] = []
        shuffled: list[NDArray[np.float32]] = []
        pair = store.modalities[:2]
        comparable = len(pair) == 2 and len({store.widths[m] for m in pair}) == 1
        looked_at = n_labelled = 0
        n_known = np.zeros(len(store.labels), np.int64)
        for rows in sampled_blocks(store.n_rows, block_rows=block_rows, most_blocks=most_blocks):
            values = {m: store.embeddings(m, rows).astype(np.float32) for m in store.modalities}
            for modality, array in values.items():
                norms[modality].append(np.linalg.norm(array, axis=1))
            if comparable:
                first, second = (_unit(values[modality]) for modality in pair)
                paired.append((first * second).sum(axis=1))
                shuffled.append((first * np.roll(second, 1, axis=0)).sum(axis=1))
            if store.labels:
                targets = store.numbers("labels/targets", rows)
                n_labelled += int((targets == 1).sum())
                n_known += (targets != UNKNOWN).sum(axis=0)
            looked_at += rows.stop - rows.start
        prompts, failed_parts = store.prompts, read_failed_parts(store)
        return {
            "path": str(path),
            "files": store.n_files,
            "rows": store.n_rows,
            "rows_looked_at": looked_at,
            "labels": len(store.labels),
            "labels_per_row": n_labelled / looked_at if store.labels and looked_at else None,
            "known_labels": dict(
                zip(store.labels, (n_known / max(looked_at, 1)).tolist(), strict=True)
            ),
            "dtype": store.dtype,
            "widths": store.widths,
            "status": store.counts,
            "truncated": int(np.any([*store.optional("truncated").values()], axis=0).sum()),
            "windows": [
                sum(int((counts > 0).sum()) for counts in store.optional("windows").values()),
                sum(int(counts.sum()) for counts in store.optional("windows").values()),
            ],
            "prompts": 0 if prompts is None else len(prompts.texts),
            "problems": [
                {"row": f.row, "id": f.id, "modality": f.modality, "status": f.status.label}
                | {"reason": f.reason}
                for f in islice(chain.from_iterable(store.failed_blocks()), FIRST_FAILED)
            ],
            "n_problems": store.n_failed,
            "failed_parts": [
                {"row": f.row, "id": f.id, "modality": f.modality, "part": f.part}
                | {"reason": f.reason}
                for f in failed_parts[:FIRST_FAILED]
            ],
            "n_failed_parts": len(failed_parts),
            "norms": {m: _spread(parts) for m, parts in norms.items()},
            "cosine_of": list(pair) if comparable else None,
            "cosine": _spread(paired),
            "cosine_shuffled": _spread(shuffled),
            "digest": store.digest,
            "provenance": store.provenance,
        }


def read_provenance(path: Path) -> dict[str, Any]:
    """Read the provenance of the store at `path`, with its `digest`."""
    with FeatureStore.open(path) as store:
        return {**store.provenance, "digest": store.digest}


def read_failed_parts(store: FeatureStore) -> tuple[FailedRow, ...]:
    """Give every part without an embedding, of rows that have several parts, and why."""
    if "failed_parts" not in store:
        return ()
    rows = zip(store.ids, chain.from_iterable(store.text_blocks("failed_parts")), strict=True)
    with plain_errors(store.path):
        return tuple(
            FailedRow(
                row=row, id=id_, modality=modality, part=part, status=Status(code), reason=reason
            )
            for row, (id_, text) in enumerate(rows)
            for modality, part, code, reason in (json.loads(text) if text else ())
        )


def failed_part_texts(failed: Iterable[FailedRow], n_rows: int) -> tuple[str, ...] | None:
    """The `failed_parts` (n,) of a store; None where no part failed."""
    by_row: dict[int, list[tuple[str, str, int, str]]] = {}
    for part in failed:
        told = (part.modality, part.part, int(part.status), part.reason)
        by_row.setdefault(part.row, []).append(told)
    if not by_row:
        return None
    return tuple(canonical_json(by_row[row]) if row in by_row else "" for row in range(n_rows))


def sampled_blocks(
    n_rows: int, *, block_rows: int = BLOCK_ROWS, most_blocks: int = MOST_BLOCKS
) -> list[slice]:
    """Give blocks of all rows, or at most `most_blocks` evenly spaced ones."""
    starts = range(0, n_rows, block_rows)
    if len(starts) > most_blocks:
        starts = range(0, n_rows - block_rows + 1, (n_rows - block_rows) // (most_blocks - 1))
    return [slice(start, min(start + block_rows, n_rows)) for start in starts]


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit


def _spread(parts: list[NDArray[np.float32]]) -> dict[str, float] | None:
    values = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    return {name: float(np.quantile(values, q)) for name, q in QUANTILES.items()}
