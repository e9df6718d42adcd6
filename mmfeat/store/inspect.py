"""What is in a store, in numbers that a person can judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfeat.store.layout import Status
from mmfeat.store.reader import FeatureStore

FIRST_PROBLEMS = 10
QUANTILES = {"min": 0.0, "median": 0.5, "max": 1.0}


def inspect_store(path: Path) -> dict[str, Any]:
    """Return JSON: rows, labels, widths, counts per status, problems, norms, cosines, provenance.

    `cosine` is that of a row's own image and caption, and `cosine_shuffled` that of an image and
    the next row's caption, for comparison: a model that understands both has the first higher.
    It is None where the store lacks a modality or their widths differ.
    """
    with FeatureStore.open(path) as store:
        norms: dict[str, list[NDArray[np.float32]]] = {m: [] for m in store.modalities}
        paired: list[NDArray[np.float32]] = []
        shuffled: list[NDArray[np.float32]] = []
        comparable = len(store.modalities) == 2 and len(set(store.widths.values())) == 1
        for block in store.blocks():
            values = {m: array.astype(np.float32) for m, array in block.embeddings.items()}
            for modality, array in values.items():
                norms[modality].append(np.linalg.norm(array, axis=1))
            if comparable:
                image, text = _unit(values["image"]), _unit(values["text"])
                paired.append((image * text).sum(axis=1))
                shuffled.append((image * np.roll(text, 1, axis=0)).sum(axis=1))
        targets, prompts = store.targets, store.prompts
        return {
            "path": str(path),
            "rows": store.n_rows,
            "labels": len(store.labels),
            "labels_per_row": None if targets is None else float(targets.sum() / len(targets)),
            "dtype": store.dtype,
            "widths": store.widths,
            "status": {m: _counts(status) for m, status in store.statuses.items()},
            "truncated": int(store.truncated.sum()),
            "prompts": 0 if prompts is None else len(prompts.texts),
            "problems": [
                {"row": p.row, "id": p.id, "modality": p.modality, "status": p.status.label}
                | {"reason": p.reason}
                for p in store.problems[:FIRST_PROBLEMS]
            ],
            "n_problems": len(store.problems),
            "norms": {m: _spread(parts) for m, parts in norms.items()},
            "cosine": _spread(paired),
            "cosine_shuffled": _spread(shuffled),
            "digest": store.digest,
            "provenance": store.provenance,
        }


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit


def _counts(status: NDArray[np.uint8]) -> dict[str, int]:
    codes, counts = np.unique(status, return_counts=True)
    return {Status(int(c)).label: int(n) for c, n in zip(codes, counts, strict=True)}


def _spread(parts: list[NDArray[np.float32]]) -> dict[str, float] | None:
    values = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    return {name: float(np.quantile(values, q)) for name, q in QUANTILES.items()}
