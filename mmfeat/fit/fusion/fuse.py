"""Fuse features: from the embeddings of modalities to one matrix, at once or slice by slice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np

from mmfeat.errors import FitError
from mmfeat.fit.fusion import (
    FeatureFusion,
    LearnedFusion,
    get_matrix_fusion,
    prompted_fusions,
)
from mmfeat.fit.fusion.matrix import side_by_side
from mmfeat.fit.fusion.rows import ModalityRows
from mmfeat.store import StoredFeatures
from mmfeat.types import Features, FloatArray, Fused, IntArray

BYTES_OF_A_NUMBER = 16  # of a stream: the stored one, two parts of a fusion, a shuffled copy


def fuse(
    features: Features, fusion: str, *, normalise: bool = True, prompts: bool = False
) -> Fused[FloatArray]:
    """Fuse the modalities of `features` into one float32 matrix (n, d) without NaN.

    Learned fusions get one block per modality, as `concat` does. With `normalise` off, the
    embeddings are used as stored. The result has the prompts of the labels, once per block, where
    they can be compared with its rows; with `prompts`, they must.

    Raises `FitError` if a modality or required prompts are missing, or if widths differ that must
    be equal, and `PluginError` for an unknown fusion.
    """
    fused = _fuse(features, fusion, normalise=normalise)
    if prompts:
        _check_prompts(features, fused, fusion)
    return replace(fused, prompts=_fused_prompts(features, fused, fusion))


@dataclass(frozen=True, kw_only=True)
class FusedStream:
    """The matrix of `fuse`, (n, `width`), computed slice by slice and never held as a whole."""

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
        """How many rows fit into the memory for them, with the copies that are made."""
        if isinstance(self.features, Features):
            return len(self)
        return max(1, self.features.memory // (BYTES_OF_A_NUMBER * self.width))

    @property
    def in_memory(self) -> bool:
        """Whether the features are in memory: then an index array can choose any rows."""
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
    """Like `fuse`, but slice by slice, on demand; raises the same errors."""
    none = fuse(features.part(slice(0)), fusion, normalise=normalise, prompts=prompts)
    width = none.values.shape[1]
    stream = FusedStream(features=features, fusion=fusion, normalise=normalise, width=width)
    return Fused(values=stream, blocks=none.blocks, prompts=none.prompts)


def _fuse(features: Features, fusion: str, *, normalise: bool) -> Fused[FloatArray]:
    spec = get_matrix_fusion(fusion)
    modalities = spec.modalities or _all_modalities(features, fusion, most=spec.most)
    for modality in modalities:
        if modality not in features.embeddings:
            raise FitError(
                f"the fusion {fusion} needs {modality} embeddings",
                f"the store has {' and '.join(features.embeddings) or 'none'}",
                "extract or import them, or use another fusion",
            )
    rows = ModalityRows(
        fusion=fusion, features=features, modalities=modalities, normalise=normalise
    )
    if isinstance(spec, FeatureFusion):
        return spec.function(rows)
    if isinstance(spec, LearnedFusion):
        return side_by_side(rows)
    assert_never(spec)


def _all_modalities(features: Features, fusion: str, *, most: int | None) -> tuple[str, ...]:
    found = tuple(features.embeddings)
    if len(found) < 2 or (most is not None and len(found) > most):
        raise FitError(
            f"the fusion {fusion} joins two {'modalities' if most == 2 else 'or more modalities'}",
            f"the store has {', '.join(found) or 'none'}",
            "use a fusion or a run of one modality, or give the table the column of the other;"
            " cells of it may be empty"
            if len(found) < 2
            else "use concat or add a fusion that names its modalities",
        )
    return found


def _fused_prompts(features: Features, fused: Fused[FloatArray], fusion: str) -> FloatArray | None:
    if not get_matrix_fusion(fusion).prompts or not features.prompts:
        return None
    joined = np.hstack(features.prompts)
    if any(block != joined.shape[1] for block in fused.blocks):
        return None
    return np.hstack([joined] * len(fused.blocks))


def _check_prompts(features: Features, fused: Fused[FloatArray], fusion: str) -> None:
    """Raise `FitError` where prompts of the labels cannot be compared with the rows."""
    if not get_matrix_fusion(fusion).prompts:
        raise FitError(
            "prompts of the labels are compared with rows in the space of the encoder",
            f"rows of the fusion {fusion} are not in it",
            f"use one of {', '.join(prompted_fusions())}",
        )
    if not features.prompts:
        raise FitError(
            "rows are compared with prompts of the labels",
            "the store has none",
            "add them with `mmfeat extract --label-prompts FILE`, or `mmfeat import --prompts`",
        )
    width = sum(array.shape[1] for array in features.prompts)
    if any(block != width for block in fused.blocks):
        raise FitError(
            "rows and prompts of the labels are compared number by number",
            f"{fusion} has {' + '.join(map(str, fused.blocks))} numbers, the prompts have {width}",
            "use an encoder with both towers in one space, or another fusion",
        )
