"""One head on one fusion."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from mmfeat.fit.heads.base import Head, History
from mmfeat.fit.models.checkpoint import fold_checkpoints
from mmfeat.fit.models.feature_model import FeatureModel, not_cross_validated
from mmfeat.fit.models.source import Source, labelled, twins_across
from mmfeat.runs.config import FeatureSets
from mmfeat.runs.folds import Folds
from mmfeat.types import FeatureRows, Features, FloatArray, IntArray

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class HeadModel(FeatureModel):
    """A head on a feature-level or learned fusion.

    Attributes
    ----------
    fitted
        The final heads, whose mean is predicted: one, or those of the folds.
    folds_
        The heads of the folds, after `cross_validate`.
    """

    kind: ClassVar[str] = "head"

    fitted: list[Head] = field(default_factory=list)
    folds_: list[Head] = field(default_factory=list)
    _refitted: Head | None = None  # on all rows, where it could be fitted beside the folds

    @property
    def source(self) -> Source:
        """Its only source."""
        return self.sources[self.fusion]

    @property
    def history(self) -> dict[str, list[History]]:
        """The losses of each fold's head; empty where it has no epochs."""
        found = [head.history_ for head in self.folds_ if head.history_]
        return {self.fusion: found} if found else {}

    def cross_validate(
        self,
        features: FeatureRows,
        folds: Folds,
        *,
        checkpoints: Path | None = None,
        on_fit: Callable[[int, int], None] | None = None,
    ) -> Iterator[tuple[int, IntArray, FloatArray]]:
        """Yield (fold, rows, probabilities) for every fold; see `Model.cross_validate`."""
        y, parts = labelled(features), folds.for_heads()
        splits, together = [fold.train for fold in parts], folds.kind == "crossed"
        refits = checkpoints is not None and self.final == "refit" and together
        refit = self.source.head.ahead(splits) if refits else None
        if warning := twins_across(features, folds):
            log.warning(warning)
        fused = self.source.fused(features)
        self.folds_, self._refitted = [], None
        fits = fold_checkpoints(
            self.source.head,
            checkpoints and checkpoints / self.fusion,
            fused=fused,
            y=y,
            splits=splits,
            together=together,
            refit=refit,
        )
        for done, (fold, fitted) in enumerate(zip(parts, fits, strict=False), start=1):
            if on_fit is not None:
                on_fit(done, len(parts))
            self.folds_.append(fitted)
            yield fold.number, fold.judged, fitted.predict_rows(fused.values, fold.judged)
        self._refitted = next(fits, None)

    def fit(self, features: FeatureRows) -> Self:
        """Make the final model: refitted on all rows, or the mean of the folds' heads."""
        y = labelled(features)
        if not self.folds_:
            raise not_cross_validated()
        if self.final == "average":
            self.fitted = list(self.folds_)
        elif (ready := self._refitted) and all(f.rounds_ == ready.rounds_ for f in self.folds_):
            self.fitted = [ready]
        else:
            self.fitted = [self.source.refit(self.source.fused(features), y, self.folds_)]
        return self

    def predict_proba(self, features: Mapping[FeatureSets, Features]) -> FloatArray:
        """Return probabilities (n, k), float32, by the final model."""
        answers = self.source.predict_proba(features[self.own_reads.features], self.fitted)
        mean: FloatArray = np.mean(answers, axis=0, dtype=np.float32)
        return mean

    def _save_parts(self, folder: Path) -> int:
        for number, head in enumerate(self.fitted):
            head.save(folder / str(number) / self.fusion)
        return len(self.fitted)

    def _load_parts(self, folder: Path, n_parts: int) -> None:
        head = type(self.source.head)
        self.fitted = [head.load(folder / str(i) / self.fusion) for i in range(n_parts)]
