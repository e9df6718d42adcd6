"""Fusions: from the embeddings of images and captions to one matrix for a head.

Every part of a modality is L2-normalised, then the parts are joined side by side. A row that
lacks a modality has zeros there: it carries no information in `concat`, `product` and
`absdiff`; `sum`, `mean` and `max` give the modality that is there, alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mmfeat.errors import FitError
from mmfeat.plugins import check_name
from mmfeat.types import BoolArray, Embeddings, Features, FloatArray, Fused


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


# Fusions whose rows lie where the prompts of labels lie, with the blocks that are compared.
PROMPTED = {"image": 1, "text": 1, "concat": 2, "sum": 1, "mean": 1}


def fuse(
    features: Features, fusion: str, *, normalise: bool = True, prompts: bool = False
) -> Fused:
    """Fuse the modalities of `features` into one float32 matrix without NaN.

    Learned fusions get `concat`, with one block per modality. With `normalise` off, the
    embeddings are taken as they are stored. With `prompts`, the prompts of the labels come with
    it, once per block.

    Raises `FitError` where a modality or the prompts that are needed are missing or where widths
    must be equal and are not, and `PluginError` for an unknown fusion.
    """
    fused = _fuse(features, fusion, normalise=normalise)
    return replace(fused, prompts=_fused_prompts(features, fused, fusion)) if prompts else fused


def _fuse(features: Features, fusion: str, *, normalise: bool) -> Fused:
    kind = FUSIONS[check_name(fusion, FUSIONS, "fusion")].kind
    if kind == "decision":
        raise FitError(
            "only feature-level and learned fusions make one matrix",
            f"{fusion} joins the scores of several heads",
            "fuse the modalities one by one",
        )
    if fusion in ("image", "text"):
        values = _joined(features, fusion, normalise)
        return Fused(values=values, blocks=(values.shape[1],))
    image, text = (_joined(features, name, normalise) for name in ("image", "text"))
    if kind == "learned" or fusion == "concat":
        return _side_by_side(image, text)
    if image.shape[1] != text.shape[1]:
        raise FitError(
            f"{fusion} needs images and texts of one width",
            f"they have {image.shape[1]} and {text.shape[1]} numbers",
            "use concat, gated or a late fusion",
        )
    if fusion == "concat-product":
        return _side_by_side(image, text, image * text)
    return Fused(values=_meet(image, text, features, fusion), blocks=(image.shape[1],))


def _fused_prompts(features: Features, fused: Fused, fusion: str) -> FloatArray:
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


def present(features: Features, modality: str) -> BoolArray:
    """Say for each row, of shape (n,), whether any part of `modality` is there."""
    parts = getattr(features, modality)
    found = np.zeros(features.n_rows, dtype=bool)
    for part in parts:
        found |= np.isfinite(part).all(axis=1)
    return found


def count_missing(features: Features) -> dict[str, int]:
    """Count the rows without an embedding, for each modality that the features have."""
    return {
        modality: int((~present(features, modality)).sum())
        for modality in ("image", "text")
        if getattr(features, modality)
    }


def _joined(features: Features, modality: str, normalise: bool) -> FloatArray:
    parts: Sequence[Embeddings] = getattr(features, modality)
    if not parts:
        raise FitError(
            f"this fusion needs {modality} embeddings",
            "the store has none",
            f"extract them, or use a fusion without {modality}",
        )
    values = np.empty((len(parts[0]), sum(part.shape[1] for part in parts)), dtype=np.float32)
    start = 0
    for part in parts:
        block = values[:, start : start + part.shape[1]]
        block[:] = part
        block[~np.isfinite(block).all(axis=1)] = 0.0
        if normalise:
            # Divide by the largest number first: squares of float16's largest ones are safe,
            # those of float32's are not.
            block /= np.maximum(np.abs(block).max(axis=1, keepdims=True, initial=0.0), 1e-30)
            block /= np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-30)
        start += part.shape[1]
    return values


def _side_by_side(*parts: FloatArray) -> Fused:
    return Fused(values=np.hstack(parts), blocks=tuple(part.shape[1] for part in parts))


def _meet(image: FloatArray, text: FloatArray, features: Features, fusion: str) -> FloatArray:
    if fusion == "product":
        return image * text
    both = present(features, "image") & present(features, "text")
    if fusion == "absdiff":
        return np.where(both[:, None], np.abs(image - text), np.float32(0))
    if fusion == "max":
        return np.where(both[:, None], np.maximum(image, text), image + text)
    total = image + text
    if fusion == "mean":
        total[both] /= 2
    return total
