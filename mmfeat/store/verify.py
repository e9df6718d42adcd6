"""Is a store whole? Everything in it is read and held against what it says about itself.

Embeddings are read once, in blocks. Per row of the store are held 8 bytes for the digest of its
id, and per row of the largest file one byte for each modality: about 100 MB for ten million rows,
whatever they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfeat.errors import StoreError
from mmfeat.store.inspect import read_failed_parts
from mmfeat.store.layout import (
    BLOCK_ROWS,
    ROW_TEXTS,
    Status,
)
from mmfeat.store.parts import find_store
from mmfeat.store.reader import FeatureStore
from mmfeat.store.unique import digests_of, has_repeats
from mmfeat.types import UNKNOWN, BoolArray, Embeddings, IntArray

CODES = {int(status) for status in Status}
MOST_ROWS = 100  # of one modality, that are named one by one


def verify_store(
    path: Path, *, block_rows: int = BLOCK_ROWS, digest: Callable[[str], int] = hash
) -> list[str]:
    """Return one sentence per thing that is wrong; an empty list if the store is whole.

    Checked: layout and types, the sha256 of every dataset and of the provenance, statuses against
    rows that are NaN, a reason for each failed row and for no other, targets of 0, 1 and unknown,
    unique ids, UTF-8, the counts in the provenance; each of many files is checked by itself.
    Embeddings are read `block_rows` at a time; ids are compared where their `digest` is equal.
    Raises `StoreError` only where there is no store, or two.
    """
    found = find_store(path)
    try:
        store = FeatureStore.open(path, strict=False)
    except StoreError as error:
        if found is None:
            raise
        return [_said(error)]
    with store:
        digests = np.empty(store.n_rows, np.int64)
        findings: list[str] = []
        start = 0
        for part in store.parts:
            check = _Check(
                store=part,
                digest=digest,
                digests=digests[start : start + part.n_rows],
                block_rows=block_rows,
            )
            prefix = "" if store.n_files == 1 else f"{part.path.name}: "
            findings += [f"{prefix}{line}" for line in check.findings()]
            start += part.n_rows
        if (
            not findings
            and store.n_files > 1
            and has_repeats(digests, partial(store.text_blocks, "ids"), digest=digest)
        ):
            findings.append("ids are repeated in several files")
        return findings


@dataclass(frozen=True, kw_only=True)
class _Check:
    """What is wrong with one file; `digests` (n,) become those of its ids."""

    store: FeatureStore
    digest: Callable[[str], int]
    digests: IntArray
    block_rows: int

    def findings(self) -> list[str]:
        """One sentence per thing that is wrong."""
        n_rows, modalities = self.store.n_rows, self.store.modalities
        explained = {modality: np.zeros(n_rows, np.bool_) for modality in modalities}
        try:
            findings = [
                *self._counts(),
                *self._texts(),
                *self._labels(),
                *self._prompts(),
                *self._failed(explained),
            ]
            numbers = [line for m in modalities for line in self._modality(m, explained[m])]
            differing = [
                f"{name} has changed since it was written: its sha256 differs"
                for name in self.store.check()
            ]
            return [*findings, *differing, *numbers]
        except StoreError as error:
            return [_said(error)]

    def _counts(self) -> Iterator[str]:
        counted, n_rows = self.store.provenance.get("n_rows"), self.store.n_rows
        if counted != n_rows:
            yield f"the provenance counts {counted} rows, the store has {n_rows}"
        named, modalities = self.store.provenance.get("modalities"), self.store.modalities
        if named != list(modalities):
            yield f"the provenance has {named}, the store {modalities}"

    def _texts(self) -> Iterator[str]:
        start = 0
        for texts in self.store.text_blocks("ids"):
            self.digests[start : start + len(texts)] = digests_of(texts, digest=self.digest)
            start += len(texts)
        read = partial(self.store.text_blocks, "ids")
        if has_repeats(self.digests, read, digest=self.digest):
            yield "ids are repeated"
        for name in ROW_TEXTS:
            if name in self.store and name != "ids":
                for _ in self.store.text_blocks(name):
                    pass  # each is decoded
        if unknown := {part.modality for part in read_failed_parts(self.store)} - {
            *self.store.modalities
        }:
            yield f"parts failed in {sorted(unknown)}, which the store does not have"

    def _labels(self) -> Iterator[str]:
        blocks = self._read("labels/targets") if "labels" in self.store else ()
        if not all(np.isin(targets, (0, 1, UNKNOWN)).all() for targets in blocks):
            yield f"a target is neither 0, 1 nor {UNKNOWN}, which is unknown"

    def _prompts(self) -> Iterator[str]:
        prompts = self.store.prompts
        if prompts is not None and not np.isfinite(prompts.embeddings).all():
            yield "the embedding of a prompt is not finite"

    def _failed(self, explained: dict[str, BoolArray]) -> Iterator[str]:
        """Mark in `explained`, (n,) per modality, the rows whose failure has a reason."""
        unknown: set[str] = set()
        for failed in self.store.failed_blocks():
            for row in failed:
                if row.modality not in explained:
                    unknown.add(row.modality)
                elif row.reason:
                    explained[row.modality][row.row] = True
        if unknown:
            yield f"rows failed in {sorted(unknown)}, which the store does not have"

    def _modality(self, modality: str, explained: BoolArray) -> Iterator[str]:
        unknown: set[int] = set()
        lines: list[str] = []
        n_more = start = 0
        unmatched: list[int] = []
        pairs = zip(
            self._read(f"{modality}/status"), self._read(f"{modality}/embeddings"), strict=True
        )
        for status, values in pairs:
            unknown |= set(np.unique(status).tolist()) - CODES
            found = _rows(modality, status, values, start=start)
            lines += islice(found, MOST_ROWS - len(lines))
            n_more += sum(1 for _ in found)
            reasons = explained[start : start + len(status)]
            wrong = start + np.flatnonzero((status != Status.OK) != reasons)
            unmatched += wrong[: 5 - len(unmatched)].tolist()
            start += len(status)
        if unknown:
            yield f"{modality}/status has the unknown codes {sorted(unknown)}"
        yield from lines
        if n_more:
            yield f"of {modality} embeddings there are {n_more:,} more such findings"
        if unmatched:
            yield f"{modality} reasons do not match the statuses, e.g. in rows {unmatched}"

    def _read(self, name: str) -> Iterator[NDArray[Any]]:
        """Read a dataset with one entry per row in blocks."""
        for start in range(0, self.store.n_rows, self.block_rows):
            yield self.store.numbers(name, slice(start, start + self.block_rows))


def _said(error: StoreError) -> str:
    """What is wrong, without the remedy: the whole store has one."""
    return f"{error.rule}: {error.found}"


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
