"""The rows of one modality that are looked at, as vectors of length 1, read block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmfeat.core.memory import slices
from mmfeat.types import Embeddings, FeatureRows, FloatArray, IntArray

BLOCK_ROWS = 4096


@dataclass(frozen=True, kw_only=True)
class UnitRows:
    """Rows of `features` with an embedding of `modality`.

    Of several feature sets, the vectors stand side by side: their cosine is the mean of the
    cosines.

    Attributes
    ----------
    kept
        Of shape (m,), ascending: the rows that are looked at. A place is an index of it.
    """

    features: FeatureRows
    modality: str
    kept: IntArray

    def __len__(self) -> int:
        return len(self.kept)

    def blocks(self, *, size: int = BLOCK_ROWS) -> Iterator[tuple[int, FloatArray]]:
        """Yield the first place of each block, and its vectors (b, d)."""
        for start in range(0, len(self), size):
            yield start, self.take(np.arange(start, min(start + size, len(self))))

    def take(self, places: IntArray) -> FloatArray:
        """Read the vectors (b, d) of ascending places; only slices with one of them are read."""
        rows, found = self.kept[places], []
        for part in slices(int(rows[-1]) + 1 if len(rows) else 0, size=BLOCK_ROWS):
            first, last = np.searchsorted(rows, (part.start, part.stop))
            if first < last:
                arrays = self.features.part(part).embeddings[self.modality]
                found.append(unit([array[rows[first:last] - part.start] for array in arrays]))
        return np.concatenate(found)

    def sample(self, n_rows: int, *, seed: int = 0) -> FloatArray:
        """Read the vectors of at most `n_rows` random places."""
        rng = np.random.default_rng(seed)
        return self.take(np.sort(rng.permutation(len(self))[:n_rows]))


def unit(arrays: list[Embeddings]) -> FloatArray:
    """Put feature sets, (b, dᵢ) each, side by side, as vectors of length 1; zeros stay."""
    parts = []
    for array in arrays:
        part = array.astype(np.float32)
        length = np.sqrt(np.einsum("ij,ij->i", part, part, dtype=np.float64) * len(arrays))
        parts.append(part / np.maximum(length, 1e-30).astype(np.float32)[:, None])
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
