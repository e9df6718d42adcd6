"""Late fusions: one head per source, and a stacker that joins their scores.

The sources of a late fusion, how their scores become inputs, and the meta-learner are declared in
`mmfeat.fit.fusion.FUSIONS`. A row that lacks a modality gets that modality's scores from the
others, so that a sum or mean is made of the modalities that the row has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from mmfeat.core.plugins import resolve
from mmfeat.errors import ConfigError
from mmfeat.fit.fusion import LateFusion, get_matrix_fusion
from mmfeat.fit.fusion.rows import present
from mmfeat.fit.heads import HEADS
from mmfeat.fit.heads.base import Head
from mmfeat.types import FeatureRows, FloatArray, IntArray, Targets


class Stacker:
    """Combines the scores of several heads; fitted on scores of rows that they never saw."""

    def __init__(self, fusion: LateFusion, meta_learner: Head | None) -> None:
        self.fusion, self.meta_learner = fusion, meta_learner

    @classmethod
    def build(
        cls, fusion: LateFusion, *, settings: Mapping[str, str], seed: int, loss: str
    ) -> Self:
        """Make the stacker of `fusion`; `settings` are those of its meta-learner.

        Raises `ConfigError` for a wrong setting, and for any where there is no meta-learner.
        """
        spec = fusion.meta_learner
        if spec is None:
            if settings:
                raise ConfigError(
                    "settings `decision.KEY` are those of a late fusion's meta-learner",
                    f"the {fusion.summary} has none, and decision.{next(iter(settings))} is set",
                    "remove that setting, or choose another fusion",
                )
            return cls(fusion, None)
        plugin = resolve(spec.head, HEADS, "head")
        given = {"loss": loss} if plugin.uses_loss else {}
        return cls(fusion, plugin.from_settings({**spec.settings, **settings}, seed=seed, **given))

    @property
    def uses_loss(self) -> bool:
        """Whether the loss changes its meta-learner."""
        return self.meta_learner is not None and self.meta_learner.uses_loss

    def fit(
        self, scores: Mapping[str, FloatArray], y: Targets, *, groups: IntArray | None = None
    ) -> Self:
        """Learn from each source's probabilities and the targets, (n, k) both; see `Head.fit`."""
        if self.meta_learner is not None:
            x = self._inputs(scores)
            self.meta_learner = replace(self.meta_learner).fit(
                x, y, blocks=(x.shape[1],), groups=groups
            )
        return self

    def predict(self, scores: Mapping[str, FloatArray]) -> FloatArray:
        """Return probabilities of shape (n, k) from each source's."""
        inputs = self._inputs(scores)
        return inputs if self.meta_learner is None else self.meta_learner.predict_proba(inputs)

    def copy(self) -> Self:
        """The same stacker, not fitted."""
        return self._with(None if self.meta_learner is None else replace(self.meta_learner))

    def for_refit(self, folds: Sequence[Self]) -> Self:
        """This stacker with the results of the folds, e.g. the number of epochs."""
        if self.meta_learner is None:
            return self.copy()
        heads = [fold.meta_learner for fold in folds if fold.meta_learner is not None]
        return self._with(self.meta_learner.for_refit(heads))

    def save(self, folder: Path) -> None:
        """Write the meta-learner, where there is one, into `folder`."""
        if self.meta_learner is not None:
            self.meta_learner.save(folder)

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        if self.meta_learner is None:
            return self.copy()
        return self._with(type(self.meta_learner).load(folder))

    def _with(self, meta_learner: Head | None) -> Self:
        return type(self)(self.fusion, meta_learner)

    def _inputs(self, scores: Mapping[str, FloatArray]) -> FloatArray:
        return self.fusion.function(
            [scores[name] for name in self.fusion.possible if name in scores]
        )


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
