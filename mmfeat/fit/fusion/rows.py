"""Rows of several modalities, read as float32 and normalised for a fusion."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmfeat.errors import FitError
from mmfeat.types import BoolArray, FeatureRows, Features, FloatArray

BLOCK_ROWS = 256  # that are normalised at a time, which bounds the memory
LEAST, MOST = 1e-20, 1e30  # between these, one over the root is an ordinary float32


@dataclass(frozen=True, kw_only=True)
class ModalityRows:
    """The modalities that a fusion joins, of the same n rows.

    Every array of a modality (one per feature set) is L2-normalised by itself, unless
    `normalise` is off. A row that lacks an embedding has zeros in its place.
    """

    fusion: str
    features: Features
    modalities: tuple[str, ...]
    normalise: bool

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return self.features.n_rows

    @property
    def widths(self) -> tuple[int, ...]:
        """The width of each modality: of its arrays side by side."""
        embeddings = self.features.embeddings
        return tuple(sum(part.shape[1] for part in embeddings[name]) for name in self.modalities)

    @property
    def width(self) -> int:
        """The width of all modalities; raise `FitError` where they differ."""
        first, *others = self.widths
        if any(width != first for width in others):
            raise FitError(
                f"{self.fusion} needs modalities of one width",
                f"{_enumerate(self.modalities)} have {_enumerate(self.widths)} numbers",
                "use concat, gated or a late fusion",
            )
        return first

    def read(self, modality: str, *, out: FloatArray) -> None:
        """Write the rows of a modality into `out`, (n, d), its arrays side by side."""
        torch = sys.modules.get(
            "torch"
        )  # much faster at float16; heads without it need not load it
        end = 0
        for part in self.features.embeddings[modality]:
            start, end = end, end + part.shape[1]
            for first in range(0, len(part), BLOCK_ROWS):
                rows = slice(first, first + BLOCK_ROWS)
                block = out[rows, start:end]
                if torch is None:
                    block[:] = part[rows]
                else:
                    stored = torch.from_numpy(np.ascontiguousarray(part[rows]))
                    torch.from_numpy(block).copy_(stored)
                if self.normalise:
                    _to_unit_length(block)
                else:
                    block[~np.isfinite(block).all(axis=1)] = 0.0

    def read_all(self) -> Iterator[tuple[str, FloatArray]]:
        """Read (modality, rows (n, d)) one after another; raise `FitError` where widths differ."""
        width = self.width
        for modality in self.modalities:
            rows = np.empty((self.n_rows, width), dtype=np.float32)
            self.read(modality, out=rows)
            yield modality, rows

    def present(self, modality: str) -> BoolArray:
        """Whether each row has the modality, of shape (n,)."""
        return present(self.features, modality)


def present(features: FeatureRows, modality: str) -> BoolArray:
    """Whether any feature set has an embedding of `modality` for each row, of shape (n,)."""
    found = np.zeros(features.n_rows, dtype=bool)
    for start in range(0, features.n_rows, BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        for part in features.part(rows).embeddings.get(modality, ()):
            found[rows] |= np.isfinite(part).all(axis=1)
    return found


def count_missing(features: FeatureRows) -> dict[str, int]:
    """Count the rows without an embedding, for each modality that the features have."""
    none = features.part(slice(0))
    return {modality: int((~present(features, modality)).sum()) for modality in none.embeddings}


def _to_unit_length(rows: FloatArray) -> None:
    """Divide each row by its length, in place; rows that are not finite become zero.

    In float64 every order of the sum gives the same length in float32. So all machines, and graphs
    of ONNX, give the same rows: trees take another branch where a number differs in its last bit.
    """
    exact = rows.astype(np.float64)
    squares = np.vecdot(exact, exact)
    odd = ~((squares > LEAST) & (squares < MOST))
    rows *= (1 / np.sqrt(np.where(odd, 1, squares))).astype(np.float32)[:, None]
    if odd.any():
        block = rows[odd]
        block[~np.isfinite(block).all(axis=1)] = 0.0
        # Divided by its largest number first, a row's squares fit into float32.
        block /= np.maximum(np.abs(block).max(axis=1, keepdims=True, initial=0.0), 1e-30)
        block /= np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-30)
        rows[odd] = block


def _enumerate(words: tuple[object, ...]) -> str:
    *others, last = map(str, words)
    return f"{', '.join(others)} and {last}" if others else last
