"""Stacked heads: a late fusion has a head per source, and a stacker of their scores.

The stacker learns from out-of-fold scores: each row's scores are given by heads that never saw
the row, and the stacker that judges a fold never saw the scores of that fold. As in all
stacking, the heads behind the scores of the other folds did see the labels of that fold.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from mmfeat.fit.fusion import get_late_fusion, get_matrix_fusion
from mmfeat.fit.heads.base import Head, History
from mmfeat.fit.models.checkpoint import fold_checkpoints
from mmfeat.fit.models.feature_model import FeatureModel, no_part, not_cross_validated
from mmfeat.fit.models.fitted_model import FittedModel
from mmfeat.fit.models.model import FindSource, ReusedSource
from mmfeat.fit.models.settings import ModelSettings
from mmfeat.fit.models.source import labelled, twins_across
from mmfeat.fit.stacking.missing import fill_missing_modality
from mmfeat.fit.stacking.stacker import CHOSEN, FULL, WAYS, Stacker
from mmfeat.runs.config import FeatureSets
from mmfeat.runs.folds import Folds
from mmfeat.types import FeatureRows, Features, Float64Array, FloatArray, IntArray

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class StackedModel(FeatureModel):
    """Heads by source and their stacker.

    Attributes
    ----------
    stacker
        Not fitted.
    in_sample
        Whether the stacker learns from scores of rows that the heads learned from (Guo 2024).
    reused
        Sources that finished runs have fitted on the same rows and folds.
    fitted
        The final models, whose mean is predicted: one, or those of the folds.
    folds_, scores_, scored_, costs_
        After `cross_validate`: the model of each fold, the out-of-fold scores (n, k) of each
        source, the rows (m,) that have them, and the costs of each way to decide, (ways,).
    """

    kind: ClassVar[str] = "stacked"

    stacker: Stacker
    in_sample: bool = False
    reused: dict[str, ReusedSource] = field(default_factory=dict)
    fitted: list[FittedModel] = field(default_factory=list)
    folds_: list[FittedModel] = field(default_factory=list)
    scores_: dict[str, FloatArray] = field(default_factory=dict)
    scored_: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    costs_: Float64Array = field(default_factory=lambda: np.zeros(len(WAYS)))

    @classmethod
    def extra_parts(cls) -> set[str]:
        """The meta-learner, whose settings are called ``decision.KEY``."""
        return {"decision"}

    @classmethod
    def _parts(
        cls, parsed: ModelSettings, fusion: str, names: tuple[str, ...], *, seed: int, loss: str
    ) -> dict[str, Any]:
        settings, late = parsed.by_source.get("decision", {}), get_late_fusion(fusion)
        if parsed.decision is not None and late.meta_learner is None:
            raise no_part(fusion, names, "the decision")
        return {
            "stacker": Stacker.build(
                late,
                settings=settings,
                seed=seed,
                loss=loss,
                decision=parsed.decision or (FULL if parsed.in_sample else CHOSEN),
            ),
            "in_sample": bool(parsed.in_sample),
        }

    @property
    def uses_loss(self) -> bool:
        """Whether the loss changes anything: to a source, or to the meta-learner."""
        return super().uses_loss or self.stacker.uses_loss

    @property
    def history(self) -> dict[str, list[History]]:
        """The losses of each fold, for each part trained in epochs."""
        parts: dict[str, list[History]] = {}
        for fold in self.folds_:
            for part, head in {
                **fold.heads,
                "decision": fold.stacker.meta_learners.get(FULL),
            }.items():
                if head is not None and head.history_:
                    parts.setdefault(part, []).append(head.history_)
        return parts

    @property
    def reused_seconds(self) -> float:
        """Seconds of the finished runs whose heads it reuses."""
        return sum(source.seconds for source in self.reused.values())

    def reuse(self, find: FindSource) -> None:
        """Reuse sources that are finished runs of their own.

        This is possible if only their out-of-fold scores and final heads are needed.
        """
        if self.final != "refit" or self.in_sample:
            return
        found = {name: find(name, source.head) for name, source in self.sources.items()}
        self.reused = {name: source for name, source in found.items() if source is not None}
        if self.reused:
            log.info("reused from finished runs: %s", ", ".join(self.reused))

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
        if warning := twins_across(features, folds):
            log.warning(warning)
        if self.in_sample:
            log.warning("the meta-learner learns from in-sample scores, which are overconfident")
        self._choose_sources(features)
        self.scores_, self.folds_ = {}, []
        heads: list[dict[str, Head]] = [{} for _ in parts]
        inside: list[dict[str, FloatArray]] = [{} for _ in parts]
        for number, name in enumerate(self.sources):
            if name in self.reused:
                self.scores_[name] = self.reused[name].scores
                continue
            fitted = self._fit_source(
                name, features, folds, inside, checkpoints, first=number * len(parts), on_fit=on_fit
            )
            for fold_heads, head in zip(heads, fitted, strict=True):
                fold_heads[name] = head
        self.scores_ = fill_missing_modality(self.scores_, features)
        self.scored_ = np.flatnonzero(folds.judged)
        judged = [
            (fold, {name: values[fold.judged] for name, values in self.scores_.items()})
            for fold in folds.for_stackers()
        ]
        stackers, costs = [], []
        for at, (fold, scores) in enumerate(judged):
            train = fold.train
            learned = {name: values[train] for name, values in self.scores_.items()}
            if self.in_sample:
                own = min(at, len(parts) - 1)  # one head may judge all folds
                train = parts[own].train
                learned = fill_missing_modality(inside[own], features, train)
            stackers.append(self.stacker.copy().fit(learned, y[train], groups=_of(features, train)))
            costs.append(stackers[at].costs(scores, y[fold.judged]))
        self.costs_ = np.sum(costs, axis=0)
        for at, (fold, scores) in enumerate(judged):
            stacker = stackers[at].choose(self.costs_ - costs[at])
            self.folds_.append(FittedModel(heads[min(at, len(parts) - 1)], stacker))
            yield fold.number, fold.judged, stacker.predict(scores)

    def _choose_sources(self, features: FeatureRows) -> None:
        """Leave out the optional sources whose modalities the features lack."""
        there = set(features.part(slice(0)).embeddings)
        self.sources = {
            name: source
            for name, source in self.sources.items()
            if name not in self.stacker.fusion.optional
            or there.issuperset(get_matrix_fusion(name).modalities or ())
        }

    def _fit_source(
        self,
        name: str,
        features: FeatureRows,
        folds: Folds,
        inside: list[dict[str, FloatArray]],
        checkpoints: Path | None,
        *,
        first: int,
        on_fit: Callable[[int, int], None] | None,
    ) -> list[Head]:
        """Fit the head of a source on every fold; fill `scores_`, and `inside` if in sample."""
        source, y, parts = self.sources[name], labelled(features), folds.for_heads()
        fused = source.fused(features)
        scores = np.zeros(y.shape, dtype=np.float32)
        fits = fold_checkpoints(
            source.head,
            checkpoints and checkpoints / name,
            fused=fused,
            y=y,
            splits=[fold.train for fold in parts],
            together=folds.kind == "crossed",
        )
        heads = []
        for number, (fold, head) in enumerate(zip(parts, fits, strict=True)):
            heads.append(head)
            if on_fit is not None:
                on_fit(first + number + 1, len(self.sources) * len(parts))
            scores[fold.judged] = head.predict_rows(fused.values, fold.judged)
            if self.in_sample:
                inside[number][name] = head.predict_rows(fused.values, fold.train)
        self.scores_[name] = scores
        return heads

    def fit(self, features: FeatureRows) -> Self:
        """Make the final model: refitted on all rows, or the mean of the folds' models."""
        y = labelled(features)
        if not self.folds_:
            raise not_cross_validated()
        if self.final == "average":
            self.fitted = list(self.folds_)
            return self
        heads: dict[str, Head] = {}
        inside: dict[str, FloatArray] = {}
        for name, source in self.sources.items():
            if name in self.reused:
                heads[name] = self.reused[name].head
                continue
            fused = source.fused(features)
            heads[name] = source.refit(fused, y, [fold.heads[name] for fold in self.folds_])
            if self.in_sample:
                inside[name] = heads[name].predict_rows(fused.values, np.arange(len(y)))
        learned = {name: scores[self.scored_] for name, scores in self.scores_.items()}
        if self.in_sample:
            learned = fill_missing_modality(inside, features)
        rows = np.arange(len(y)) if self.in_sample else self.scored_
        stacker = self.stacker.choose(self.costs_)
        stacker = stacker.for_refit([fold.stacker for fold in self.folds_])
        stacker = stacker.fit(learned, y[rows], groups=_of(features, rows))
        self.fitted = [FittedModel(heads, stacker)]
        return self

    def predict_proba(self, features: Mapping[FeatureSets, Features]) -> FloatArray:
        """Return probabilities (n, k), float32, by the final model."""
        rows = features[self.own_reads.features]
        stacked = [
            part.stacker.predict(fill_missing_modality(scores, rows))
            for part, scores in zip(self.fitted, self._score_sources(rows), strict=True)
        ]
        mean: FloatArray = np.mean(stacked, axis=0, dtype=np.float32)
        return mean

    def predict_sources(self, features: Mapping[FeatureSets, Features]) -> dict[str, FloatArray]:
        """Return the probabilities (n, k), float32, of each source before they are stacked."""
        parts = self._score_sources(features[self.own_reads.features])
        return {
            name: np.mean([scores[name] for scores in parts], axis=0, dtype=np.float32)
            for name in self.sources
        }

    def _score_sources(self, rows: Features) -> list[dict[str, FloatArray]]:
        """The scores of each source, by each of the final models."""
        scores: list[dict[str, FloatArray]] = [{} for _ in self.fitted]
        for name, source in self.sources.items():
            answers = source.predict_proba(rows, [part.heads[name] for part in self.fitted])
            for by_source, answer in zip(scores, answers, strict=True):
                by_source[name] = answer
        return scores

    def _save_parts(self, folder: Path) -> int:
        for number, part in enumerate(self.fitted):
            part.save(folder / str(number))
        return len(self.fitted)

    def _load_parts(self, folder: Path, n_parts: int) -> None:
        heads = {name: source.head for name, source in self.sources.items()}
        self.fitted = [
            FittedModel.load(folder / str(number), heads, self.stacker) for number in range(n_parts)
        ]


def _of(features: FeatureRows, rows: IntArray) -> IntArray | None:
    """The groups of these rows, (m,)."""
    return None if features.groups is None else features.groups[rows]
