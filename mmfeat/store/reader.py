"""Reading a feature store, without trusting it and without loading torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from mmfeat.errors import StoreError
from mmfeat.store.guard import check_store, plain_errors
from mmfeat.store.layout import BLOCK_ROWS, MODALITIES, Block, Problem, Status, canonical_json
from mmfeat.types import Embeddings, Features, Prompts, Targets


class FeatureStore:
    """One split's cached embeddings; use it as a context manager.

    >>> with FeatureStore.open("artifacts/features/train.h5") as store:  # doctest: +SKIP
    ...     store.ids[0], store.embeddings("image").shape, store.labels
    """

    def __init__(self, file: h5py.File, path: Path) -> None:
        self._file = file
        self.path = path

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open the store at `path`; raise `StoreError` where it is missing or not sound."""
        path = Path(path)
        if not path.is_file():
            raise StoreError(
                "a feature store must be there",
                f"{path} is {'a folder' if path.is_dir() else 'not'}",
                "make it with `mmfeat extract` or `mmfeat import`",
            )
        with plain_errors(path):
            file = h5py.File(path, "r")
            try:
                check_store(file, path)
            except BaseException:
                file.close()
                raise
        return cls(file, path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing can be read afterwards."""
        self._file.close()

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return int(self._dataset("ids").shape[0])

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, in the table's order."""
        return self._texts("ids")

    @property
    def image_paths(self) -> tuple[str, ...]:
        """The images' paths, relative to their folder."""
        return self._texts("image_paths")

    @property
    def captions(self) -> tuple[str, ...] | None:
        """The captions (empty where missing); None where the table had none."""
        return self._texts("captions") if "captions" in self._open_file else None

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the columns of `targets`; empty without labels."""
        return self._texts("labels/names") if "labels" in self._open_file else ()

    @property
    def targets(self) -> Targets | None:
        """Of shape (n, k), 0 or 1; None without labels."""
        return self._read("labels/targets") if "labels" in self._open_file else None

    @property
    def prompts(self) -> Prompts | None:
        """The prompts of the labels, embedded; None where none were given."""
        if "prompts" not in self._open_file:
            return None
        labels = self._texts("prompts/labels")
        with plain_errors(self.path):
            if set(labels) != set(self.labels):
                raise ValueError("its prompts are not those of its labels")
        return Prompts(
            labels=labels,
            texts=self._texts("prompts/texts"),
            embeddings=self._read("prompts/embeddings"),
        )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Which of `image` and `text` the store has."""
        return tuple(modality for modality in MODALITIES if modality in self._open_file)

    @property
    def widths(self) -> dict[str, int]:
        """The width of the embeddings per modality."""
        return {m: int(self._dataset(f"{m}/embeddings").shape[1]) for m in self.modalities}

    @property
    def dtype(self) -> str:
        """The type of the stored embeddings."""
        return str(self._dataset(f"{self.modalities[0]}/embeddings").dtype)

    @property
    def image(self) -> Embeddings | None:
        """Image embeddings (n, d) as stored, read when asked for; None without images."""
        return self.embeddings("image") if "image" in self.modalities else None

    @property
    def text(self) -> Embeddings | None:
        """Text embeddings (n, d) as stored, read when asked for; None without captions."""
        return self.embeddings("text") if "text" in self.modalities else None

    def embeddings(self, modality: str, rows: slice | None = None) -> Embeddings:
        """Read the embeddings (n, d) of one modality, as stored; a row that failed is NaN.

        With `rows`, those alone are read.
        """
        self._check_modality(modality)
        with plain_errors(self.path):
            values: Embeddings = self._dataset(f"{modality}/embeddings")[rows or slice(None)]
        return values

    def status(self, modality: str) -> NDArray[np.uint8]:
        """Read the `Status` codes (n,) of one modality."""
        self._check_modality(modality)
        codes: NDArray[np.uint8] = self._read(f"{modality}/status")
        return codes

    @property
    def statuses(self) -> dict[str, NDArray[np.uint8]]:
        """The `Status` codes (n,) of every modality."""
        return {modality: self.status(modality) for modality in self.modalities}

    @property
    def truncated(self) -> NDArray[np.uint8]:
        """Of shape (n,): 1 where the caption was longer than the tower's context."""
        if "text" not in self.modalities:
            return np.zeros(self.n_rows, np.uint8)
        marks: NDArray[np.uint8] = self._read("text/truncated")
        return marks

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Every row without an embedding, and why."""
        with plain_errors(self.path):
            return read_problems(self._open_file)

    @property
    def provenance(self) -> dict[str, Any]:
        """What made the numbers: encoder, weights, preprocessing, libraries, table."""
        document: dict[str, Any] = json.loads(self._open_file.attrs["provenance"])
        return document

    @property
    def checksums(self) -> dict[str, str]:
        """The sha256 of every dataset and of the provenance, as they were written."""
        document: dict[str, str] = json.loads(self._open_file.attrs["checksums"])
        return document

    @property
    def digest(self) -> str:
        """The sha256 that identifies the contents: of the provenance and all checksums."""
        text = canonical_json({"provenance": self.provenance, "checksums": self.checksums})
        return hashlib.sha256(text.encode("utf-8")).hexdigest()

    def features(self, *, embeddings: bool = True) -> Features:
        """Read everything that stage two needs, embeddings as stored, or all but them."""
        prompts = self.prompts
        wanted = self.modalities if embeddings else ()
        return Features(
            ids=self.ids,
            image=(self.embeddings("image"),) if "image" in wanted else (),
            text=(self.embeddings("text"),) if "text" in wanted else (),
            targets=self.targets,
            labels=self.labels,
            prompts=() if prompts is None else (prompts.mean(self.labels),),
        )

    def blocks(self, *, n_rows: int = BLOCK_ROWS) -> Iterator[Block]:
        """Read `n_rows` rows at a time, with their problems."""
        problems = self.problems
        for start in range(0, self.n_rows, n_rows):
            end = min(start + n_rows, self.n_rows)
            with plain_errors(self.path):
                yield Block(
                    embeddings={
                        m: self._dataset(f"{m}/embeddings")[start:end] for m in self.modalities
                    },
                    status={m: self._dataset(f"{m}/status")[start:end] for m in self.modalities},
                    truncated=self._dataset("text/truncated")[start:end]
                    if "text" in self.modalities
                    else np.zeros(end - start, np.uint8),
                    problems=tuple(p for p in problems if start <= p.row < end),
                )

    @property
    def _open_file(self) -> h5py.File:
        if not self._file:
            raise StoreError(
                "a closed store cannot be read", f"{self.path} was closed", "open it again"
            )
        return self._file

    def _dataset(self, name: str) -> h5py.Dataset:
        return self._open_file[name]

    def _read(self, name: str) -> Any:
        with plain_errors(self.path):
            return self._dataset(name)[()]

    def _texts(self, name: str) -> tuple[str, ...]:
        with plain_errors(self.path):
            dataset, size = self._dataset(name), self.path.stat().st_size
            texts: list[str] = []
            total = 0
            for start in range(0, dataset.shape[0], BLOCK_ROWS):
                part = dataset[start : start + BLOCK_ROWS]
                total += sum(map(len, part))
                if total > size:  # many rows that point to one text: small file, huge memory
                    raise ValueError(f"the texts of {name} are larger than the file")
                texts += [value.decode("utf-8") for value in part]
            return tuple(texts)

    def _check_modality(self, modality: str) -> None:
        if modality not in self.modalities:
            raise StoreError(
                f"{self.path} must have {modality} embeddings",
                f"it has {', '.join(self.modalities)}",
                "extract the split with that modality",
            )


def read_provenance(path: Path) -> dict[str, Any]:
    """Read the provenance of the store at `path`, with its `digest`."""
    with FeatureStore.open(path) as store:
        return {**store.provenance, "digest": store.digest}


def read_problems(file: h5py.File) -> tuple[Problem, ...]:
    """Read the table of problems of a store or a shard."""
    return tuple(
        Problem(
            row=int(row),
            id=id_.decode("utf-8"),
            modality=modality.decode("utf-8"),
            status=Status(int(status)),
            reason=reason.decode("utf-8"),
        )
        for row, id_, modality, status, reason in file["problems"][()]
    )
