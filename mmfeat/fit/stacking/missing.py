"""Scores of a modality that a row lacks: the mean of those that it has.

So a sum or mean of scores is made of the modalities that the row has.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmfeat.fit.fusion import get_matrix_fusion
from mmfeat.fit.fusion.rows import present
from mmfeat.types import FeatureRows, FloatArray, IntArray


def fill_missing_modality(
    scores: Mapping[str, FloatArray], features: FeatureRows, rows: IntArray | None = None
) -> dict[str, FloatArray]:
    """Give rows that lack a modality the mean scores of the other modalities in its place.

    `scores`, (n, k) per source, are of all rows of `features`, or of the chosen `rows`. Sources
    of several modalities are left as they are.
    """
    named = {source: get_matrix_fusion(source).modalities or () for source in scores}
    has = {
        source: present(features, names[0]) for source, names in named.items() if len(names) == 1
    }
    if rows is not None:
        has = {source: found[rows] for source, found in has.items()}
    filled = dict(scores)
    for source, found in has.items():
        others = [other for other in has if other != source]
        lacking = ~found & np.any([has[other] for other in others], axis=0)
        if lacking.any():
            there = [
                np.where(has[other][lacking, None], scores[other][lacking], np.float32(np.nan))
                for other in others
            ]
            filled[source] = scores[source].copy()
            filled[source][lacking] = np.nanmean(there, axis=0)
    return filled
