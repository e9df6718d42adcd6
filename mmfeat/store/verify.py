"""Is a store whole? Everything in it is read and held against what it says about itself.

After a look at the heaps it is read once, in blocks; of all rows are held 8 bytes for the digest of
each id and, of the largest file, one for each modality: about 100 MB for ten million rows,
whatever they hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmfeat.errors import StoreError
from mmfeat.store.guard import ROW_TEXTS
from mmfeat.store.heaps import has_endless_heap
from mmfeat.store.layout import BLOCK_ROWS, Checksum, Status, canonical_json, text_sha256
from mmfeat.store.parts import find_store, store_files
from mmfeat.store.reader import FeatureStore
from mmfeat.store.unique import digests_of, has_repeats
from mmfeat.types import BoolArray, Embeddings, IntArray

CODES = {int(status) for status in Status}
MOST_ROWS = 100  # of one modality, that are told one by one
Checksums = defaultdict[str, Checksum]


def verify_store(path: Path) -> list[str]:
    """Return one sentence per thing that is wrong; an empty list if the store is whole.

    Checked: layout and types, the sha256 of every dataset and of the provenance, statuses against
    rows that are NaN, a problem with a reason for each failed row and none else, targets of 0 and
    1, unique ids, the counts in the provenance; each of many files is checked by itself. Raises
    `StoreError` only where there is no store, or two.
    """
    found = find_store(path)
    files = [] if found is None else store_files(found)
    endless = [file for file in files if has_endless_heap(file)]
    if endless:
        return [f"{file}: there are zeros where a text should be" for file in endless]
    try:
        store = FeatureStore.open(path)
    except StoreError as error:
        if found is None:
            raise
        return [str(error)]
    with store:
        digests = np.empty(store.n_rows, np.int64)
        findings: list[str] = []
        start = 0
        for part in store.parts:
            lines = _file(part, digests[start : start + part.n_rows])
            prefix = "" if store.n_files == 1 else f"{part.path.name}: "
            findings += [f"{prefix}{line}" for line in lines]
            start += part.n_rows
        if (
            not findings
            and store.n_files > 1
            and has_repeats(digests, partial(store.text_blocks, "ids"))
        ):
            findings.append("ids are repeated in several files")
        return findings


def _file(store: FeatureStore, digests: IntArray) -> list[str]:
    """What is wrong with one file; `digests` (n,) become those of its ids."""
    sums: Checksums = defaultdict(Checksum)
    explained = {modality: np.zeros(store.n_rows, np.bool_) for modality in store.modalities}
    try:
        findings = [
            *_counts(store),
            *_texts(store, digests, sums),
            *_labels(store, sums),
            *_prompts(store, sums),
            *_problems(store, explained, sums),
        ]
        numbers = [line for m in explained for line in _modality(store, m, explained[m], sums)]
        return [*findings, *_checksums(store, sums), *numbers]
    except StoreError as error:
        return [str(error)]


def _counts(store: FeatureStore) -> Iterator[str]:
    provenance = store.provenance
    if provenance.get("n_rows") != store.n_rows:
        yield f"the provenance counts {provenance.get('n_rows')} rows, the store has {store.n_rows}"
    if provenance.get("modalities") != list(store.modalities):
        yield f"the provenance has {provenance.get('modalities')}, the store {store.modalities}"


def _texts(store: FeatureStore, digests: IntArray, sums: Checksums) -> Iterator[str]:
    for name in ROW_TEXTS:
        if name in store:
            checksum, start = sums[name], 0
            for texts in store.text_blocks(name):
                checksum.add_texts(texts)
                if name == "ids":
                    digests[start : start + len(texts)] = digests_of(texts)
                    start += len(texts)
    if has_repeats(digests, partial(store.text_blocks, "ids")):
        yield "ids are repeated"


def _labels(store: FeatureStore, sums: Checksums) -> Iterator[str]:
    if "labels" not in store:
        return
    sums["labels/names"].add_texts(store.labels)
    checksum, largest = sums["labels/targets"], 0
    for rows in _blocks(store):
        targets = store.numbers("labels/targets", rows)
        checksum.add(targets)
        largest = max(largest, int(targets.max(initial=0)))
    if largest > 1:
        yield "a target is neither 0 nor 1"


def _prompts(store: FeatureStore, sums: Checksums) -> Iterator[str]:
    prompts = store.prompts
    if prompts is None:
        return
    sums["prompts/labels"].add_texts(prompts.labels)
    sums["prompts/texts"].add_texts(prompts.texts)
    sums["prompts/embeddings"].add(prompts.embeddings)
    if not np.isfinite(prompts.embeddings).all():
        yield "the embedding of a prompt is not finite"


def _problems(
    store: FeatureStore, explained: dict[str, BoolArray], sums: Checksums
) -> Iterator[str]:
    """Mark in `explained`, (n,) per modality, the rows of which a problem gives the reason."""
    checksum = sums["problems"]
    stray: int | None = None
    for problems in store.problem_blocks():
        checksum.add_problems(problems)
        for problem in problems:
            if not 0 <= problem.row < store.n_rows:
                stray = problem.row
            elif problem.reason and problem.modality in explained:
                explained[problem.modality][problem.row] = True
    if stray is not None:
        yield f"a problem is of row {stray}, the store has {store.n_rows} rows"


def _modality(
    store: FeatureStore, modality: str, explained: BoolArray, sums: Checksums
) -> Iterator[str]:
    status_sum, embeddings_sum = sums[f"{modality}/status"], sums[f"{modality}/embeddings"]
    unknown: set[int] = set()
    lines: list[str] = []
    n_more = 0
    unmatched: list[int] = []
    for rows in _blocks(store):
        status = store.numbers(f"{modality}/status", rows)
        values = store.embeddings(modality, rows)
        status_sum.add(status)
        embeddings_sum.add(values)
        unknown |= set(np.unique(status).tolist()) - CODES
        found = _rows(modality, status, values, start=rows.start)
        lines += islice(found, MOST_ROWS - len(lines))
        n_more += sum(1 for _ in found)
        wrong = rows.start + np.flatnonzero((status != Status.OK) != explained[rows])
        unmatched += wrong[: 5 - len(unmatched)].tolist()
    if modality == "text":
        truncated_sum = sums["text/truncated"]
        for rows in _blocks(store):
            truncated_sum.add(store.numbers("text/truncated", rows))
    if unknown:
        yield f"{modality}/status has the unknown codes {sorted(unknown)}"
    yield from lines
    if n_more:
        yield f"of {modality} embeddings there are {n_more:,} more such findings"
    if unmatched:
        yield f"{modality} problems do not match the statuses, e.g. in rows {unmatched}"


def _rows(
    modality: str, status: NDArray[np.uint8], values: Embeddings, *, start: int
) -> Iterator[str]:
    """What is wrong with the rows of a block that begins with row `start`."""
    bad = status != Status.OK
    for at in np.flatnonzero(bad != np.isnan(values).all(axis=1)):
        yield (
            f"row {start + at} has the {modality} status {int(status[at])} but its embedding"
            f" is {'not ' * bool(bad[at])}NaN"
        )
    for at in np.flatnonzero(~bad & ~np.isfinite(values).all(axis=1)):
        yield f"row {start + at} is ok but its {modality} embedding is not finite"
    for at in np.flatnonzero(~bad & (values == 0).all(axis=1)):
        yield f"row {start + at} is ok but its {modality} embedding is zero"


def _checksums(store: FeatureStore, sums: Checksums) -> list[str]:
    found = {name: checksum.hex for name, checksum in sums.items()}
    found["provenance"] = text_sha256(canonical_json(store.provenance))
    stored = store.checksums
    return [
        f"{name} is not what was written: its sha256 differs"
        for name in sorted({*stored, *found})
        if stored.get(name) != found.get(name)
    ]


def _blocks(store: FeatureStore) -> Iterator[slice]:
    for start in range(0, store.n_rows, BLOCK_ROWS):
        yield slice(start, start + BLOCK_ROWS)
