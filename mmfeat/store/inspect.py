"""What is in a store, in numbers that a person can judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfeat.store.reader import FeatureStore

FIRST_PROBLEMS = 10
QUANTILES = {"min": 0.0, "median": 0.5, "max": 1.0}
BLOCK = 1024
MOST_BLOCKS = 64


def inspect_store(path: Path) -> dict[str, Any]:
    """Return JSON: rows, labels, widths, counts per status, problems, norms, cosines, provenance.

    `norms`, `cosine`, `cosine_shuffled` and `labels_per_row` are of `rows_looked_at` rows: all,
    or blocks that are evenly spaced in a large store. Everything else is exact. `cosine` is that
    of a row's own image and caption, and `cosine_shuffled` that of an image and the next row's
    caption, for comparison: a model that understands both has the first higher. It is None where
    the store lacks a modality or their widths differ.
    """
    # what is zero or too large has no cosine or norm, and `_spread` leaves it out
    with FeatureStore.open(path) as store, np.errstate(all="ignore"):
        norms: dict[str, list[NDArray[np.float32]]] = {m: [] for m in store.modalities}
        paired: list[NDArray[np.float32]] = []
        shuffled: list[NDArray[np.float32]] = []
        comparable = len(store.modalities) == 2 and len(set(store.widths.values())) == 1
        looked_at = n_labelled = 0
        for rows in sampled_blocks(store.n_rows):
            values = {m: store.embeddings(m, rows).astype(np.float32) for m in store.modalities}
            for modality, array in values.items():
                norms[modality].append(np.linalg.norm(array, axis=1))
            if comparable:
                image, text = _unit(values["image"]), _unit(values["text"])
                paired.append((image * text).sum(axis=1))
                shuffled.append((image * np.roll(text, 1, axis=0)).sum(axis=1))
            if store.labels:
                n_labelled += int(store.numbers("labels/targets", rows).sum())
            looked_at += rows.stop - rows.start
        prompts = store.prompts
        return {
            "path": str(path),
            "files": store.n_files,
            "rows": store.n_rows,
            "rows_looked_at": looked_at,
            "labels": len(store.labels),
            "labels_per_row": n_labelled / looked_at if store.labels and looked_at else None,
            "dtype": store.dtype,
            "widths": store.widths,
            "status": store.counts,
            "truncated": int(np.count_nonzero(store.truncated)),
            "prompts": 0 if prompts is None else len(prompts.texts),
            "problems": [
                {"row": p.row, "id": p.id, "modality": p.modality, "status": p.status.label}
                | {"reason": p.reason}
                for p in store.first_problems(FIRST_PROBLEMS)
            ],
            "n_problems": store.n_problems,
            "norms": {m: _spread(parts) for m, parts in norms.items()},
            "cosine": _spread(paired),
            "cosine_shuffled": _spread(shuffled),
            "digest": store.digest,
            "provenance": store.provenance,
        }


def sampled_blocks(n_rows: int) -> list[slice]:
    """Give blocks of all rows, or the evenly spaced ones that are looked at of a large store."""
    starts = range(0, n_rows, BLOCK)
    if len(starts) > MOST_BLOCKS:
        starts = range(0, n_rows - BLOCK + 1, (n_rows - BLOCK) // (MOST_BLOCKS - 1))
    return [slice(start, min(start + BLOCK, n_rows)) for start in starts]


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit


def _spread(parts: list[NDArray[np.float32]]) -> dict[str, float] | None:
    values = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    return {name: float(np.quantile(values, q)) for name, q in QUANTILES.items()}
