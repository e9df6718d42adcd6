"""What is in a feature store, schema 2: names, shapes, codes and types, written down as data.

===========================  ===================  ================================================
dataset                      shape, dtype         meaning
===========================  ===================  ================================================
ids, image_paths             text, n              as in the table, in its order
captions                     text, n              optional
failed_parts                 text, n              optional; JSON: the parts of a row that failed
groups, folds                text, n              optional; related rows have the same group, those
                                                  that are held out together the same fold
times                        (n,) float64         optional; numbers or seconds, by which rows follow
<modality>/embeddings        (n, d) float16/32    not normalised; NaN where a row failed
<modality>/status            (n,) uint8           a `Status`
<modality>/truncated         (n,) uint8           optional; 1: longer than the encoder's context
<modality>/windows           (n,) int32           optional; pieces of an input that is longer, or 0
<modality>/digests           (n, 16) uint8        optional; of the sha256 of the input's bytes
labels/names                 text, k              absent without labels
labels/targets               (n, k) uint8         0 or 1; 255: unknown
prompts/labels, prompts/texts  text, p            absent unless label prompts were given
prompts/embeddings           (p, d) float16/32    of the text encoder, not normalised
failed/row, failed/status    (m,) int64, uint8    every row without an embedding, sorted by row,
failed/modality, failed/reason  text, m           then modality
===========================  ===================  ================================================

A text dataset of n texts is a group: `bytes` (b,) uint8 holds them as UTF-8, one after another
and each followed by a NUL; `offsets` (n + 1,) int64 says where each begins, and after that where
the last ends. All datasets are contiguous and little-endian; there are no variable-length strings.

A modality is any other group. Attributes, fixed-length strings of JSON: `provenance` (what made
the numbers) and `checksums` (sha256 per dataset, and of the provenance). A store is one such
file, or many of them: see `mmfeat.store.parts`. A shard is such a file without texts of the table.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfeat.errors import StoreError
from mmfeat.types import Embeddings, Float64Array, Targets

SCHEMA = 2
BLOCK_ROWS = 8192  # rows that are read or copied at once, so that memory stays flat


@dataclass(frozen=True)
class Array:
    """A dataset: the names of its dimensions, equal names for equal sizes, and its types.

    `extra` is how much longer the first dimension is than its name says.
    """

    dims: tuple[str, ...]
    dtypes: tuple[str, ...]
    extra: int = 0


TEXTS = {
    "ids": "rows",
    "image_paths": "rows",
    "captions": "rows",
    "groups": "rows",
    "folds": "rows",
    "failed_parts": "rows",
    "labels/names": "labels",
    "prompts/labels": "prompts",
    "prompts/texts": "prompts",
    "failed/modality": "failed rows",
    "failed/reason": "failed rows",
}
ROW_TEXTS = tuple(name for name, dim in TEXTS.items() if dim == "rows")
FLOATS = ("<f2", "<f4")
ARRAYS = {
    "times": Array(("rows",), ("<f8",)),
    "labels/targets": Array(("rows", "labels"), ("|u1",)),
    "prompts/embeddings": Array(("prompts", "width of prompts"), FLOATS),
    "failed/row": Array(("failed rows",), ("<i8",)),
    "failed/status": Array(("failed rows",), ("|u1",)),
}
for _name, _dim in TEXTS.items():
    ARRAYS[f"{_name}/bytes"] = Array((f"bytes of {_name}",), ("|u1",))
    ARRAYS[f"{_name}/offsets"] = Array((_dim,), ("<i8",), extra=1)
RESERVED = frozenset(name.split("/")[0] for name in ARRAYS)
MODALITY_NAME = re.compile(r"[a-z][a-z0-9_-]*")
OPTIONAL = ("truncated", "windows", "digests")  # of a modality
DIGEST_BYTES = 16
ORDER = ("image", "text")  # these modalities come first, the others follow by name


def modality_arrays(modality: str) -> dict[str, Array]:
    """The datasets of one modality, by name."""
    return {
        f"{modality}/embeddings": Array(("rows", f"width of {modality}"), FLOATS),
        f"{modality}/status": Array(("rows",), ("|u1",)),
        f"{modality}/truncated": Array(("rows",), ("|u1",)),
        f"{modality}/windows": Array(("rows",), ("<i4",)),
        f"{modality}/digests": Array(("rows", "bytes of a digest"), ("|u1",)),
    }


def in_order(modalities: Iterable[str]) -> tuple[str, ...]:
    """Sort names of modalities: those of `ORDER`, then the others by name."""
    names = set(modalities)
    return (*(m for m in ORDER if m in names), *sorted(names.difference(ORDER)))


def check_modality(name: str) -> None:
    """Raise `StoreError` where `name` cannot be the name of a modality."""
    if not MODALITY_NAME.fullmatch(name) or name in RESERVED:
        raise StoreError(
            "the name of a modality has small letters, digits, `-` and `_`, begins with a letter"
            f" and is none of {', '.join(sorted(RESERVED))}",
            f"it is {name!r}",
            "choose another name, e.g. audio",
        )


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
    """Why one row of one modality, or one `part` of several, has no embedding.

    `id` is filled in where a store is read; a `Block` knows no ids.
    """

    row: int
    modality: str
    status: Status
    reason: str
    id: str = ""
    part: str = ""

    def place(self) -> tuple[int, str]:
        """Where it stands among others: they are sorted by row, then modality."""
        return self.row, self.modality


@dataclass
class Checksum:
    """The sha256 of a dataset, computed block by block; `n` is the number of rows so far."""

    n: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)

    def add(self, values: NDArray[Any]) -> None:
        """Add the next rows."""
        self._hash.update(np.ascontiguousarray(values).data)
        self.n += len(values)

    @property
    def hex(self) -> str:
        """The sum so far."""
        return str(self._hash.hexdigest())


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What a store keeps of the table, one entry per row; its texts have names of `ROW_TEXTS`."""

    ids: Sequence[str]
    image_paths: Sequence[str]
    captions: Sequence[str] | None
    targets: Targets | None
    labels: Sequence[str]
    groups: Sequence[str] | None = None
    folds: Sequence[str] | None = None
    times: Float64Array | None = None
    failed_parts: Sequence[str] | None = None

    def part(self, rows: slice) -> Rows:
        """Give some of the rows."""
        return replace(
            self,
            ids=self.ids[rows],
            image_paths=self.image_paths[rows],
            captions=None if self.captions is None else self.captions[rows],
            targets=None if self.targets is None else self.targets[rows],
            groups=None if self.groups is None else self.groups[rows],
            folds=None if self.folds is None else self.folds[rows],
            times=None if self.times is None else self.times[rows],
            failed_parts=None if self.failed_parts is None else self.failed_parts[rows],
        )


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
        Of shape (m,) uint8, 0 or 1, per modality whose encoder has a context of limited length.
    windows
        Of shape (m,) int32, per modality whose long inputs are encoded in windows: their number
        where there are several, else 0.
    digests
        Of shape (m, 16) uint8, per modality that is read from files: the first bytes of the
        sha256 of the file, by which its embedding is known again; zeros where the row failed.
    failed
        The rows without an embedding, in order.
    """

    embeddings: Mapping[str, Embeddings]
    status: Mapping[str, NDArray[np.uint8]]
    truncated: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    windows: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    digests: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    failed: tuple[FailedRow, ...] = ()

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(next(iter(self.status.values())))

    def part(self, rows: slice, *, start: int) -> Block:
        """Give some of its rows, not copied; `start` is the store's row that it begins with."""
        first, last = start + rows.start, start + rows.stop
        return Block(
            embeddings={m: values[rows] for m, values in self.embeddings.items()},
            status={m: codes[rows] for m, codes in self.status.items()},
            truncated={m: flags[rows] for m, flags in self.truncated.items()},
            windows={m: counts[rows] for m, counts in self.windows.items()},
            digests={m: digests[rows] for m, digests in self.digests.items()},
            failed=tuple(f for f in self.failed if first <= f.row < last),
        )

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Give the name of each dataset of a modality with the array that goes into it."""
        for modality, embeddings in self.embeddings.items():
            yield f"{modality}/embeddings", embeddings
            yield f"{modality}/status", self.status[modality]
            for name in OPTIONAL:
                if modality in (found := getattr(self, name)):
                    yield f"{modality}/{name}", found[modality]


def text_sha256(text: str) -> str:
    """The sha256 of a text."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def store_digest(provenance: dict[str, Any], checksums: dict[str, Any]) -> str:
    """What identifies the contents of a store: a sha256 of its provenance and all checksums."""
    return text_sha256(canonical_json({"provenance": provenance, "checksums": checksums}))


def canonical_json(document: Any) -> str:
    """Serialise so that equal documents give equal bytes."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False)
