"""What one modality says without the others: its own source where there is one, else without them.

A late fusion has a head per modality, whose probabilities these are. Any other model predicts
the row as if the other modalities were missing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmfeat.export.predictor import Predictor
from mmfeat.fit.fusion import get_matrix_fusion
from mmfeat.fit.models.stacked_model import StackedModel
from mmfeat.types import Embeddings, FloatArray


def score_alone(
    predictor: Predictor, embeddings: Mapping[str, tuple[Embeddings, ...]], *, modality: str
) -> FloatArray:
    """Return the probabilities (n, k) by one modality; NaN in rows that lack it."""
    own = embeddings[modality][0]
    model = predictor.model
    if isinstance(model, StackedModel) and (source := _source_of(model, modality)):
        features = predictor.features(embeddings)
        scores = model.predict_sources({model.own_reads.features: features})[source]
    else:
        others = {
            name: (np.full_like(parts[0], np.nan),)
            for name, parts in embeddings.items()
            if name != modality
        }
        scores = predictor.score({**embeddings, **others})
    there = ~np.isnan(own).all(axis=1, keepdims=True)
    return np.where(there, scores, np.float32(np.nan))


def _source_of(model: StackedModel, modality: str) -> str | None:
    """The source that reads this modality and no other."""
    for name in model.sources:
        if get_matrix_fusion(name).modalities == (modality,):
            return name
    return None
