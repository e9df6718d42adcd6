"""What is in a feature store: names, codes and types, written down as data.

=================================  ===================  =========================================
dataset                            shape, dtype         meaning
=================================  ===================  =========================================
ids, image_paths, captions         (n,) utf-8           as in the table, in its order
image/embeddings, text/embeddings  (n, d) float16/32    not normalised; NaN where a row failed
image/status, text/status          (n,) uint8           a `Status`
text/truncated                     (n,) uint8           1: longer than the tower's context
labels/targets, labels/names       (n, k) uint8, (k,)   absent without labels
prompts/labels, prompts/texts      (p,) utf-8           absent unless label prompts were given
prompts/embeddings                 (p, d) float16/32    of the text tower, not normalised
problems                           (m,) compound        row, id, modality, status, reason
=================================  ===================  =========================================

Attributes, JSON: `provenance` (what made the numbers) and `checksums` (sha256 per dataset, and of
the provenance). A store is one such file, or many of them: see `mmfeat.store.parts`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from mmfeat.types import Embeddings

SCHEMA = 1
MODALITIES = ("image", "text")
DTYPES = ("float16", "float32")
TEXT = h5py.string_dtype("utf-8")
PROBLEM = np.dtype(
    [("row", "<i8"), ("id", TEXT), ("modality", TEXT), ("status", "u1"), ("reason", TEXT)]
)
BLOCK_ROWS = 8192  # rows that are read or copied at once, so that memory stays flat


class Status(IntEnum):
    """What became of one row of one modality; everything but OK has a NaN row and a reason."""

    OK = 1
    MISSING = 2
    CORRUPT = 3
    TOO_LARGE = 4
    REFUSED = 5
    EMPTY = 6

    @property
    def label(self) -> str:
        """The status as it is printed, e.g. ``too-large``."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedRow:
    """Why one row of one modality has no embedding."""

    row: int
    id: str
    modality: str
    status: Status
    reason: str

    def place(self) -> tuple[int, str]:
        """Where it stands among others: they are sorted by row, then modality."""
        return self.row, self.modality


@dataclass
class Checksum:
    """The sha256 of a dataset, fed block by block; strings count with a NUL after each."""

    _hash: Any = field(default_factory=hashlib.sha256)

    def add(self, values: NDArray[Any]) -> None:
        """Feed an array of numbers."""
        self._hash.update(np.ascontiguousarray(values).data)

    def add_texts(self, texts: Iterable[str]) -> None:
        """Feed texts."""
        self._hash.update("".join(f"{text}\0" for text in texts).encode("utf-8"))

    def add_problems(self, problems: Iterable[FailedRow]) -> None:
        """Feed problems."""
        for p in problems:
            self.add_texts((str(p.row), p.id, p.modality, str(int(p.status)), p.reason))

    @property
    def hex(self) -> str:
        """The sum so far."""
        return str(self._hash.hexdigest())


@dataclass(frozen=True, kw_only=True)
class Block:
    """Embeddings of consecutive rows, by modality.

    Attributes
    ----------
    embeddings
        Of shape (m, d) per modality; NaN where the row failed.
    status
        Of shape (m,) uint8 per modality.
    truncated
        Of shape (m,) uint8 for captions; all zero where there are none.
    """

    embeddings: dict[str, Embeddings]
    status: dict[str, NDArray[np.uint8]]
    truncated: NDArray[np.uint8]
    problems: tuple[FailedRow, ...] = ()

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.truncated)

    def part(self, rows: slice, *, start: int) -> Block:
        """Give some of its rows, not copied; `start` is the store's row that it begins with."""
        first, last = start + rows.start, start + rows.stop
        return Block(
            embeddings={m: values[rows] for m, values in self.embeddings.items()},
            status={m: codes[rows] for m, codes in self.status.items()},
            truncated=self.truncated[rows],
            problems=tuple(p for p in self.problems if first <= p.row < last),
        )

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Give the name of each dataset with the array that goes into it."""
        for modality, embeddings in self.embeddings.items():
            yield f"{modality}/embeddings", embeddings
            yield f"{modality}/status", self.status[modality]
        if "text" in self.embeddings:
            yield "text/truncated", self.truncated

    def checksums(self) -> dict[str, str]:
        """The sha256 of each dataset of a file that holds this block alone."""
        sums = {name: Checksum() for name in ("problems", *dict(self.arrays()))}
        sums["problems"].add_problems(self.problems)
        for name, values in self.arrays():
            sums[name].add(values)
        return {name: checksum.hex for name, checksum in sums.items()}


def text_sha256(text: str) -> str:
    """The sha256 of a text."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def store_digest(provenance: dict[str, Any], checksums: dict[str, Any]) -> str:
    """What identifies the contents of a store: a sha256 of its provenance and all checksums."""
    return text_sha256(canonical_json({"provenance": provenance, "checksums": checksums}))


def canonical_json(document: Any) -> str:
    """Serialise so that equal documents give equal bytes."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False)
