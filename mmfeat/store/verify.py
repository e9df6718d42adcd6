"""Is a store whole? Everything in it is read and held against what it says about itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmfeat.errors import StoreError
from mmfeat.store.layout import Checksum, Status, canonical_json, text_sha256
from mmfeat.store.parts import find_store
from mmfeat.store.reader import FeatureStore

CODES = {int(status) for status in Status}


def verify_store(path: Path) -> list[str]:
    """Return one sentence per thing that is wrong; an empty list if the store is whole.

    Checked: layout and types, the sha256 of every dataset and of the provenance, statuses against
    rows that are NaN, a problem with a reason for each failed row and none else, targets of 0 and
    1, unique ids, the counts in the provenance; each of many files is checked by itself. Raises
    `StoreError` only where there is no store, or two.
    """
    try:
        store = FeatureStore.open(path)
    except StoreError as error:
        if find_store(path) is None:
            raise
        return [str(error)]
    with store:
        try:
            if store.n_files == 1:
                return _file(store)
            findings = [f"{part.path.name}: {line}" for part in store.parts for line in _file(part)]
            if not findings and len(set(store.ids)) != store.n_rows:
                findings.append("ids are repeated in several files")
            return findings
        except StoreError as error:
            return [str(error)]


def _file(store: FeatureStore) -> list[str]:
    return [
        *_rows(store),
        *_checksums(store),
        *(line for m in store.modalities for line in _modality(store, m)),
    ]


def _rows(store: FeatureStore) -> list[str]:
    findings = []
    provenance = store.provenance
    if provenance.get("n_rows") != store.n_rows:
        findings.append(
            f"the provenance counts {provenance.get('n_rows')} rows, the store has {store.n_rows}"
        )
    if provenance.get("modalities") != list(store.modalities):
        findings.append(
            f"the provenance has {provenance.get('modalities')}, the store {store.modalities}"
        )
    if len(set(store.ids)) != store.n_rows:
        findings.append("ids are repeated")
    targets = store.targets
    if targets is not None and targets.size and targets.max() > 1:
        findings.append("a target is neither 0 nor 1")
    prompts = store.prompts
    if prompts is not None and not np.isfinite(prompts.embeddings).all():
        findings.append("the embedding of a prompt is not finite")
    return findings


def _checksums(store: FeatureStore) -> list[str]:
    sums: dict[str, Checksum] = {}
    for name, texts in (
        ("ids", store.ids),
        ("image_paths", store.image_paths),
        ("captions", store.captions),
        ("labels/names", store.labels or None),
    ):
        if texts is not None:
            sums[name] = Checksum()
            sums[name].add_texts(texts)
    targets = store.targets
    if targets is not None:
        sums["labels/targets"] = Checksum()
        sums["labels/targets"].add(targets)
    for modality in store.modalities:
        sums[f"{modality}/status"] = Checksum()
        sums[f"{modality}/embeddings"] = Checksum()
    for block in store.blocks():
        for modality, embeddings in block.embeddings.items():
            sums[f"{modality}/status"].add(block.status[modality])
            sums[f"{modality}/embeddings"].add(embeddings)
    if "text" in store.modalities:
        sums["text/truncated"] = Checksum()
        sums["text/truncated"].add(store.truncated)
    prompts = store.prompts
    if prompts is not None:
        for name, texts in (("labels", prompts.labels), ("texts", prompts.texts)):
            sums[f"prompts/{name}"] = Checksum()
            sums[f"prompts/{name}"].add_texts(texts)
        sums["prompts/embeddings"] = Checksum()
        sums["prompts/embeddings"].add(prompts.embeddings)
    sums["problems"] = Checksum()
    sums["problems"].add_problems(store.problems)
    found = {name: checksum.hex for name, checksum in sums.items()}
    found["provenance"] = text_sha256(canonical_json(store.provenance))
    stored = store.checksums
    return [
        f"{name} is not what was written: its sha256 differs"
        for name in sorted({*stored, *found})
        if stored.get(name) != found.get(name)
    ]


def _modality(store: FeatureStore, modality: str) -> list[str]:
    findings = []
    told = {p.row for p in store.problems if p.modality == modality and p.reason}
    failed: set[int] = set()
    start = 0
    for block in store.blocks():
        status, values = block.status[modality], block.embeddings[modality]
        unknown = sorted(set(np.unique(status).tolist()) - CODES)
        if unknown:
            findings.append(f"{modality}/status has the unknown codes {unknown}")
        bad = status != Status.OK
        for at in np.flatnonzero(bad != np.isnan(values).all(axis=1)):
            findings.append(
                f"row {start + at} has the {modality} status {int(status[at])} but its embedding"
                f" is {'not ' * bool(bad[at])}NaN"
            )
        for at in np.flatnonzero(~bad & ~np.isfinite(values).all(axis=1)):
            findings.append(f"row {start + at} is ok but its {modality} embedding is not finite")
        for at in np.flatnonzero(~bad & (values == 0).all(axis=1)):
            findings.append(f"row {start + at} is ok but its {modality} embedding is zero")
        failed |= {start + int(at) for at in np.flatnonzero(bad)}
        start += len(status)
    if failed != told:
        wrong = sorted(failed ^ told)[:5]
        findings.append(f"{modality} problems do not match the statuses, e.g. in rows {wrong}")
    return findings
