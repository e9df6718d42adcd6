"""Reading a feature store, without trusting it and without loading torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mmfeat.core.groups import group_texts
from mmfeat.errors import StoreError
from mmfeat.store.hdf5.file import ALL, StoreFile
from mmfeat.store.hdf5.guard import plain_errors
from mmfeat.store.layout import BLOCK_ROWS, OPTIONAL, Block, FailedRow, Status, store_digest
from mmfeat.store.missing import missing_store
from mmfeat.store.parts import Parts, find_store, open_files, whole_provenance
from mmfeat.store.prompts import Prompts
from mmfeat.store.texts import BLOCK_BYTES, Texts
from mmfeat.types import Embeddings, Features, Float64Array, Targets


class FeatureStore:
    """One split's cached embeddings, in one file or many; use it as a context manager.

    >>> with FeatureStore.open("train.h5") as store:  # doctest: +SKIP
    ...     store.ids[0], store.embeddings("image").shape, store.labels
    """

    def __init__(self, files: Sequence[StoreFile], path: Path, last_written: Path) -> None:
        self._files = tuple(files)
        self._parts = Parts(self._files)
        self.path = path
        self.last_written = last_written

    @classmethod
    def open(cls, path: Path | str, *, strict: bool = True) -> Self:
        """Open the store at `path`; raise `StoreError` where it is missing or not sound.

        Where there is no file, the folder of the same name without `.h5` is a store of many.
        `strict` as in `mmfeat.store.hdf5.file.StoreFile`.
        """
        path = Path(path)
        found = find_store(path)
        if found is None:
            raise missing_store(path)
        if found == path:
            return cls([StoreFile(path, strict=strict)], path, path)
        return cls(open_files(found, strict=strict), found.parent, found)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; nothing can be read afterwards."""
        for file in self._files:
            file.close()

    def __contains__(self, name: str) -> bool:
        """Whether it has such a dataset or group of `mmfeat.store.layout`."""
        return name in self._files[0]

    def __getattr__(self, name: str) -> NDArray[Any] | tuple[FailedRow, ...]:
        """Embeddings by modality, e.g. `image`; `problems`: `failed`; `truncated`: (n,), 0 or 1."""
        if name == "problems":
            return self.failed
        if name == "truncated":
            return sum(self.optional("truncated").values(), np.zeros(self.n_rows, np.uint8)).clip(
                max=1
            )
        if not name.startswith("_") and name in self.modalities:
            return self.embeddings(name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def parts(self) -> tuple[FeatureStore, ...]:
        """Each of its files as a store by itself, open as long as this one."""
        return tuple(FeatureStore([file], file.path, file.path) for file in self._files)

    @property
    def names(self) -> frozenset[str]:
        """The names of its datasets, as in `mmfeat.store.layout`."""
        return self._files[0].names

    @property
    def n_files(self) -> int:
        """How many files it has."""
        return len(self._files)

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return self._parts.n_rows

    @property
    def ids(self) -> Texts:
        """The ids, in the table's order."""
        return self._texts("ids")

    @property
    def image_paths(self) -> Texts:
        """The images' paths, relative to their folder."""
        return self._texts("image_paths")

    @property
    def captions(self) -> Texts | None:
        """The captions (empty where missing); None where the table had none."""
        return self._texts("captions") if "captions" in self else None

    @property
    def groups(self) -> Texts | None:
        """The groups of related rows; None where the table named none."""
        return self._texts("groups") if "groups" in self else None

    @property
    def folds(self) -> Texts | None:
        """The table's own folds; None where it named none."""
        return self._texts("folds") if "folds" in self else None

    @property
    def times(self) -> Float64Array | None:
        """By which rows follow each other, (n,); None where the table named no times."""
        return self.numbers("times") if "times" in self else None

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the columns of `targets`; empty without labels."""
        return tuple(self._files[0].texts("labels/names")) if "labels" in self else ()

    @property
    def targets(self) -> Targets | None:
        """Of shape (n, k), 0 or 1; None without labels."""
        return self.numbers("labels/targets") if "labels" in self else None

    @property
    def prompts(self) -> Prompts | None:
        """The prompts of the labels, embedded; None where none were given."""
        first = self._files[0]
        if "prompts" not in first:
            return None
        labels = tuple(first.texts("prompts/labels"))
        with plain_errors(self.path):
            if set(labels) != set(self.labels):
                raise ValueError("its prompts are not those of its labels")
        return Prompts(
            labels=labels,
            texts=tuple(first.texts("prompts/texts")),
            embeddings=first.numbers("prompts/embeddings"),
        )

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities that the store has: images, texts, then the others by name."""
        return self._files[0].modalities

    @property
    def widths(self) -> dict[str, int]:
        """The width of the embeddings per modality."""
        return {m: self._files[0].shape(f"{m}/embeddings")[1] for m in self.modalities}

    @property
    def dtype(self) -> str:
        """The type of the stored embeddings."""
        return str(self._files[0].dtype(f"{self.modalities[0]}/embeddings"))

    def embeddings(self, modality: str, rows: slice | None = None) -> Embeddings:
        """Read the embeddings (n, d) of one modality, as stored; a row that failed is NaN.

        With `rows`, those alone are read.
        """
        self._check_modality(modality)
        return self.numbers(f"{modality}/embeddings", rows or ALL)

    def status(self, modality: str) -> NDArray[np.uint8]:
        """Read the `Status` codes (n,) of one modality."""
        self._check_modality(modality)
        return self.numbers(f"{modality}/status")

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Rows by status and modality, e.g. ``{"image": {"ok": 10, "missing": 2}}``."""
        found = {}
        for modality in self.modalities:
            codes = zip(*np.unique(self.status(modality), return_counts=True), strict=True)
            with plain_errors(self.path):
                found[modality] = {Status(int(code)).label: int(n) for code, n in codes}
        return found

    def optional(self, name: str, rows: slice = ALL) -> dict[str, NDArray[Any]]:
        """Read one of the `OPTIONAL` datasets of each modality that has it."""
        found = {m: f"{m}/{name}" for m in self.modalities}
        return {m: self.numbers(path, rows) for m, path in found.items() if path in self}

    def numbers(self, name: str, rows: slice = ALL) -> NDArray[Any]:
        """Read rows of a dataset of `mmfeat.store.layout` that has one entry per row."""
        return self._parts.numbers(name, rows)

    def text_blocks(self, name: str, *, block_bytes: int = BLOCK_BYTES) -> Iterator[Texts]:
        """Read a text dataset with one text per row, about `block_bytes` at a time."""
        return self._parts.text_blocks(name, block_bytes=block_bytes)

    def failed_blocks(self, *, block_rows: int = BLOCK_ROWS) -> Iterator[list[FailedRow]]:
        """Read `failed`, at most `block_rows` at a time."""
        return self._parts.failed_blocks(block_rows=block_rows)

    @property
    def failed(self) -> tuple[FailedRow, ...]:
        """Every row without an embedding, and why."""
        return tuple(chain.from_iterable(self.failed_blocks()))

    @property
    def n_failed(self) -> int:
        """The length of `failed`."""
        return sum(file.n_failed for file in self._files)

    @property
    def provenance(self) -> dict[str, Any]:
        """What made the numbers: encoder, weights, preprocessing, libraries, table."""
        provenance = self._files[0].provenance
        return provenance if self._is_file else whole_provenance(provenance)

    @property
    def checksums(self) -> dict[str, str]:
        """The sha256 of every dataset and of the provenance, as written; or of every file."""
        if self._is_file:
            return self._files[0].checksums
        return {file.path.name: file.digest for file in self._files}

    @property
    def digest(self) -> str:
        """What identifies the contents, see `store_digest`."""
        return store_digest(self.provenance, self.checksums)

    def check(self) -> list[str]:
        """Read all that was not read yet; give the datasets that are not what was written."""
        for file in self._files:
            file.read_on()
        return sorted(set().union(*(file.differing for file in self._files)))

    def features(self, *, embeddings: bool = True, beside: Features | None = None) -> Features:
        """Read all that stage two needs, with or without embeddings; ids of `beside` if equal."""
        prompts, wanted = self.prompts, self.modalities if embeddings else ()
        groups = group_texts(self.image_paths, self.groups)  # first: nothing else is in memory yet
        return Features(
            ids=beside.ids if beside is not None and self._has_ids(beside.ids) else self.ids,
            embeddings={modality: (self.embeddings(modality),) for modality in wanted},
            targets=self.targets,
            labels=self.labels,
            prompts=() if prompts is None else (prompts.mean(self.labels),),
            groups=groups,
        )

    def blocks(self, *, block_rows: int = BLOCK_ROWS) -> Iterator[Block]:
        """Read `block_rows` rows at a time."""
        failed: dict[int, list[FailedRow]] = defaultdict(list)
        for row in self.failed:
            failed[row.row // block_rows].append(row)
        for number, start in enumerate(range(0, self.n_rows, block_rows)):
            rows = slice(start, min(start + block_rows, self.n_rows))
            yield Block(
                embeddings={m: self.embeddings(m, rows) for m in self.modalities},
                status={m: self.numbers(f"{m}/status", rows) for m in self.modalities},
                **{name: self.optional(name, rows) for name in OPTIONAL},
                failed=tuple(failed[number]),
            )

    @property
    def _is_file(self) -> bool:
        return self.last_written == self.path

    def _has_ids(self, ids: Sequence[str]) -> bool:
        start = 0
        for own in self.text_blocks("ids"):
            if own != ids[start : start + len(own)]:
                return False
            start += len(own)
        return len(ids) == start

    def _texts(self, name: str) -> Texts:
        with plain_errors(self.path):
            return self._parts.texts(name)

    def _check_modality(self, modality: str) -> None:
        if modality not in self.modalities:
            rule = f"{self.path} must have {modality} embeddings"
            found = f"it has {', '.join(self.modalities)}"
            raise StoreError(rule, found, "extract the split with that modality")
