"""Fusions: from the embeddings of images and captions to one matrix for a head.

Every part of a modality is L2-normalised, then the parts are joined side by side. A row that
lacks a modality has zeros there: it carries no information in `concat`, `product` and
`absdiff`; `sum`, `mean` and `max` give the modality that is there, alone.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mmfeat.core.plugins import check_name
from mmfeat.errors import FitError
from mmfeat.store import StoredFeatures
from mmfeat.types import (
    BoolArray,
    FeatureRows,
    Features,
    FloatArray,
    Fused,
    IntArray,
)


@dataclass(frozen=True)
class Fusion:
    """Where modalities meet: in the features, in a learned layer, or in the decisions."""

    kind: Literal["feature", "learned", "decision"]
    summary: str


FUSIONS: dict[str, Fusion] = {
    "image": Fusion("feature", "the image alone"),
    "text": Fusion("feature", "the caption alone"),
    "concat": Fusion("feature", "image and text side by side"),
    "sum": Fusion("feature", "image + text, number by number"),
    "mean": Fusion("feature", "(image + text) / 2; the other one where one is missing"),
    "product": Fusion("feature", "image × text, number by number"),
    "max": Fusion("feature", "the larger of image and text, number by number"),
    "absdiff": Fusion("feature", "|image − text|, number by number"),
    "concat-product": Fusion("feature", "image, text and their product side by side"),
    "gated": Fusion("learned", "a gate weighs both per number (GMU, Arevalo et al. 2017)"),
    "bilinear": Fusion("learned", "products of learned projections (Kim et al. 2017)"),
    "late-mean": Fusion("decision", "mean of both modalities' probabilities"),
    "late-sum": Fusion("decision", "an MLP on the sum of both modalities' scores (Guo 2024)"),
    "late-stack": Fusion("decision", "logistic regression on both modalities' logits"),
    "mixed": Fusion("decision", "as late-sum, with the scores of concat added (Guo 2024)"),
}


ROWS_AT_ONCE = 256  # that are normalised at once, so that memory stays flat
LEAST, MOST = 1e-20, 1e30  # sums of squares that lost nothing in float32
BYTES_OF_A_NUMBER = 16  # of a stream: as it is stored, two parts of a fusion, a shuffled copy
# Fusions whose rows lie where the prompts of labels lie, with the blocks that are compared.
PROMPTED = {"image": 1, "text": 1, "concat": 2, "sum": 1, "mean": 1}


def fuse(
    features: Features, fusion: str, *, normalise: bool = True, prompts: bool = False
) -> Fused[FloatArray]:
    """Fuse the modalities of `features` into one float32 matrix without NaN.

    Learned fusions get `concat`, with one block per modality. With `normalise` off, the
    embeddings are taken as they are stored. With `prompts`, the prompts of the labels come with
    it, once per block.

    Raises `FitError` where a modality or the prompts that are needed are missing or where widths
    must be equal and are not, and `PluginError` for an unknown fusion.
    """
    fused = _fuse(features, fusion, normalise=normalise)
    return replace(fused, prompts=_fused_prompts(features, fused, fusion)) if prompts else fused


@dataclass(frozen=True, kw_only=True)
class FusedStream:
    """The matrix that `fuse` makes, (n, `width`), made part by part: no float32 copy is held."""

    features: Features | StoredFeatures
    fusion: str
    normalise: bool
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        return len(self), self.width

    @property
    def buffer_rows(self) -> int:
        """How many rows fit into the memory that is for them, with the copies that are made."""
        if isinstance(self.features, Features):
            return len(self)
        return max(1, self.features.memory // (BYTES_OF_A_NUMBER * self.width))

    @property
    def in_memory(self) -> bool:
        """Whether the features are: then any rows may be asked for, by an index array."""
        return isinstance(self.features, Features)

    def __len__(self) -> int:
        return self.features.n_rows

    def __getitem__(self, rows: slice | IntArray, /) -> FloatArray:
        if isinstance(rows, slice):
            part = self.features.part(rows)
        else:
            assert isinstance(self.features, Features), "files are read slice by slice"
            part = self.features.take(rows)
        return _fuse(part, self.fusion, normalise=self.normalise).values


def fuse_stream(
    features: Features | StoredFeatures,
    fusion: str,
    *,
    normalise: bool = True,
    prompts: bool = False,
) -> Fused[FusedStream]:
    """As `fuse`, part by part as the rows are asked for; raises what it raises."""
    none = fuse(features.part(slice(0)), fusion, normalise=normalise, prompts=prompts)
    width = none.values.shape[1]
    stream = FusedStream(features=features, fusion=fusion, normalise=normalise, width=width)
    return Fused(values=stream, blocks=none.blocks, prompts=none.prompts)


def _fuse(features: Features, fusion: str, *, normalise: bool) -> Fused[FloatArray]:
    kind = FUSIONS[check_name(fusion, FUSIONS, "fusion")].kind
    if kind == "decision":
        raise FitError(
            "only feature-level and learned fusions make one matrix",
            f"{fusion} joins the scores of several heads",
            "fuse the modalities one by one",
        )
    wanted = (fusion,) if fusion in ("image", "text") else ("image", "text")
    blocks = tuple(_width(features, modality) for modality in wanted)
    joined = len(wanted) == 1 or kind == "learned" or fusion == "concat"
    if not joined and blocks[0] != blocks[1]:
        raise FitError(
            f"{fusion} needs images and texts of one width",
            f"they have {blocks[0]} and {blocks[1]} numbers",
            "use concat, gated or a late fusion",
        )
    if joined or fusion == "concat-product":
        blocks = blocks if joined else (*blocks, blocks[0])
        values = np.empty((features.n_rows, sum(blocks)), dtype=np.float32)
        parts = np.split(values, np.cumsum(blocks)[:-1], axis=1)
    else:
        parts = [np.empty((features.n_rows, block), dtype=np.float32) for block in blocks]
        values, blocks = parts[0], blocks[:1]
    for part, modality in zip(parts, wanted, strict=False):
        _join(features, modality, normalise, out=part)
    if fusion == "concat-product":
        np.multiply(parts[0], parts[1], out=parts[2])
    elif not joined:
        _meet(parts[0], parts[1], features, fusion)
    return Fused(values=values, blocks=blocks)


def _fused_prompts(features: Features, fused: Fused[FloatArray], fusion: str) -> FloatArray:
    if not features.prompts:
        raise FitError(
            "rows are compared with prompts of the labels",
            "the store has none",
            "add them with `mmfeat extract --label-prompts FILE`, or `mmfeat import --prompts`",
        )
    joined = np.hstack(features.prompts)
    if any(block != joined.shape[1] for block in fused.blocks):
        raise FitError(
            "rows and prompts of the labels are compared number by number",
            f"{fusion} has {' + '.join(map(str, fused.blocks))} numbers, the prompts have"
            f" {joined.shape[1]}",
            "use an encoder with both towers in one space, or another fusion",
        )
    return np.hstack([joined] * PROMPTED[fusion])


def present(features: FeatureRows, modality: str) -> BoolArray:
    """Say for each row, of shape (n,), whether any part of `modality` is there."""
    found = np.zeros(features.n_rows, dtype=bool)
    for start in range(0, features.n_rows, ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        for part in features.part(rows).embeddings.get(modality, ()):
            found[rows] |= np.isfinite(part).all(axis=1)
    return found


def count_missing(features: FeatureRows) -> dict[str, int]:
    """Count the rows without an embedding, for each modality that the features have."""
    none = features.part(slice(0))
    return {modality: int((~present(features, modality)).sum()) for modality in none.embeddings}


def _width(features: Features, modality: str) -> int:
    parts = features.embeddings.get(modality, ())
    if not parts:
        raise FitError(
            f"this fusion needs {modality} embeddings",
            "the store has none",
            f"extract them, or use a fusion without {modality}",
        )
    return sum(part.shape[1] for part in parts)


def _join(features: Features, modality: str, normalise: bool, *, out: FloatArray) -> None:
    """Write the parts of a modality side by side into `out`, (n, d)."""
    torch = sys.modules.get("torch")  # much faster at float16; heads without it need not load it
    end = 0
    for part in features.embeddings[modality]:
        start, end = end, end + part.shape[1]
        for first in range(0, len(part), ROWS_AT_ONCE):
            rows = slice(first, first + ROWS_AT_ONCE)
            block = out[rows, start:end]
            if torch is None:
                block[:] = part[rows]
            else:
                torch.from_numpy(block).copy_(torch.from_numpy(np.ascontiguousarray(part[rows])))
            if normalise:
                _to_unit_length(block)
            else:
                block[~np.isfinite(block).all(axis=1)] = 0.0


def _to_unit_length(rows: FloatArray) -> None:
    """Divide each row by its length, in place; rows that are not finite become zero."""
    squares = np.einsum("ij,ij->i", rows, rows)
    odd = ~((squares > LEAST) & (squares < MOST))
    rows *= (1 / np.sqrt(np.where(odd, 1, squares)))[:, None]
    if odd.any():
        block = rows[odd]
        block[~np.isfinite(block).all(axis=1)] = 0.0
        # The largest number first: squares of what remains are what float32 can hold.
        block /= np.maximum(np.abs(block).max(axis=1, keepdims=True, initial=0.0), 1e-30)
        block /= np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-30)
        rows[odd] = block


def _meet(image: FloatArray, text: FloatArray, features: Features, fusion: str) -> None:
    """Put what `fusion` makes of both, number by number, in the place of `image`."""
    if fusion == "product":
        image *= text
        return
    both = (present(features, "image") & present(features, "text"))[:, None]
    if fusion == "absdiff":
        image -= text
        np.abs(image, out=image)
        np.copyto(image, 0, where=~both)
    elif fusion == "max":
        np.maximum(image, text, out=image, where=both)
        np.add(image, text, out=image, where=~both)
    else:
        image += text
        if fusion == "mean":
            np.divide(image, 2, out=image, where=both)
