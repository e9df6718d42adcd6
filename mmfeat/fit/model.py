"""A fusion and a head as one model: what `fit` trains and `predict` loads.

A feature-level or learned fusion has one source, itself. A decision-level fusion has a head per
source and a stacker. Its stacker learns from out-of-fold scores: each row's are given by
heads that never saw it, and the stacker that judges a fold never saw that fold's. (As in all
stacking, the heads behind the other folds' scores did see the labels of that fold.)
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from safetensors import SafetensorError

from mmfeat.core.files import file_sha256, write_json
from mmfeat.core.plugins import check_name, resolve
from mmfeat.errors import ConfigError, FitError
from mmfeat.fit.checkpoint import fold_checkpoints
from mmfeat.fit.fitted_model import FittedModel
from mmfeat.fit.fusion.fuse import FUSIONS, PROMPTED, fuse, fuse_stream
from mmfeat.fit.heads import HEADS
from mmfeat.fit.heads.base import Head, History, parse_option
from mmfeat.fit.losses import LOSSES
from mmfeat.fit.stacking import SOURCES, Stacker, fill_missing_modality
from mmfeat.runs.folds import count_leaks
from mmfeat.store import StoredFeatures
from mmfeat.types import FeatureRows, Features, FloatArray, Fused, IntArray, Matrix, Targets

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Model:
    """Heads by source, their stacker, and how features are fused.

    `final` says what predicts in the end: refit, one model of all rows trained for as long as
    the folds found, or average, the mean of the folds' models. `in_sample` trains the stacker
    on scores of rows that the heads learned from, as Guo 2024 does. `taken` are sources of a
    decision-level fusion that another model has fitted on the same rows and folds.
    """

    head: str
    fusion: str
    loss: str
    seed: int
    settings: dict[str, str]
    heads: dict[str, Head]
    stacker: Stacker | None
    normalise: bool = True
    in_sample: bool = False
    final: str = "refit"
    taken: dict[str, ReusedSource] = field(default_factory=dict)
    fitted: list[FittedModel] = field(default_factory=list)
    folds_: list[FittedModel] = field(default_factory=list)
    scores_: dict[str, FloatArray] = field(default_factory=dict)

    @classmethod
    def build(
        cls, *, head: str, fusion: str, loss: str, seed: int, settings: Mapping[str, str]
    ) -> Self:
        """Make a model that is not fitted yet.

        `settings` are those of `--set`: `normalise`, `in_sample` and `final` are the model's,
        ``decision.KEY`` is the stacker's, ``SOURCE.KEY`` one source's, all others every head's.
        Raises `ConfigError` for a wrong setting or a pair that makes no sense, and `PluginError`
        for an unknown name.
        """
        kind = FUSIONS[check_name(fusion, FUSIONS, "fusion")].kind
        check_name(loss, LOSSES, "loss")
        plugin = resolve(head, HEADS, "head")
        own, shared, by_source = split_settings(settings)
        if kind == "learned" and not plugin.learns_fusion:
            raise ConfigError(
                f"the fusion {fusion} is learned inside torch heads",
                f"the head {head} is none",
                "use the head mlp or gmlp, or the fusion concat",
            )
        sources = SOURCES.get(fusion, (fusion,))
        if plugin.uses_prompts and not set(sources) <= set(PROMPTED):
            raise ConfigError(
                f"the head {head} compares rows with prompts of the labels, which are texts",
                f"rows of the fusion {fusion} are none",
                f"use one of {', '.join(PROMPTED)}, or a decision-level fusion",
            )
        given: dict[str, str] = {"loss": loss} if plugin.uses_loss else {}
        if plugin.learns_fusion:
            given["learned_fusion"] = fusion if kind == "learned" else "none"
        unknown = set(by_source) - set(sources) - ({"decision"} if kind == "decision" else set())
        if unknown or ("in_sample" in own and kind != "decision"):
            raise ConfigError(
                f"the fusion {fusion} has the parts {', '.join(sources)}",
                f"a setting is for {', '.join(sorted(unknown)) or 'the decision'}",
                "remove that setting, or choose another fusion",
            )
        heads = {
            source: plugin.from_settings(
                {**shared, **by_source.get(source, {})}, seed=seed, **given
            )
            for source in sources
        }
        stacker = None
        if kind == "decision":
            stacker = Stacker.build(
                fusion, settings=by_source.get("decision", {}), seed=seed, loss=loss
            )
        final = own.get("final", "refit")
        if final not in ("refit", "average"):
            raise ConfigError("final is refit or average", f"{final!r} is neither", "choose one")
        return cls(
            head=head,
            fusion=fusion,
            loss=loss,
            seed=seed,
            settings=dict(settings),
            heads=heads,
            stacker=stacker,
            normalise=parse_option("normalise", own.get("normalise", "true"), "bool"),
            in_sample=parse_option("in_sample", own.get("in_sample", "false"), "bool"),
            final=final,
        )

    @property
    def can_take(self) -> bool:
        """Whether out-of-fold scores and final heads are all that it needs of its sources."""
        return self.stacker is not None and self.final == "refit" and not self.in_sample

    @property
    def uses_loss(self) -> bool:
        """Whether the loss means anything to it."""
        decides = self.stacker is not None and self.stacker.decision is not None
        return any(head.uses_loss for head in self.heads.values()) or (
            decides and self.stacker.decision.uses_loss  # type: ignore[union-attr]
        )

    @property
    def history(self) -> dict[str, list[History]]:
        """The losses that `cross_validate` saw, fold by fold, for each part trained in epochs."""
        parts: dict[str, list[History]] = {}
        for fold in self.folds_:
            for part, head in {**fold.heads, "decision": fold.decision}.items():
                if head is not None and head.history_:
                    parts.setdefault(part, []).append(head.history_)
        return parts

    def cross_validate(
        self,
        features: FeatureRows,
        folds: IntArray,
        *,
        keep: Path | None = None,
        on_fit: Callable[[int, int], None] | None = None,
    ) -> Iterator[tuple[int, IntArray, FloatArray]]:
        """Yield (fold, rows, probabilities) for every fold, by a model that never saw its rows.

        `folds` is (n,) in [0, K). With `keep`, each fold's heads are saved in that folder and
        taken from there when the same call is made again, so that it goes on where it stopped.
        `on_fit` is told after each fitted head how many there are, and how many there will be.
        Raises `FitError` where the features have no labels or do not fit the fusion.
        """
        y = targets_of(features)
        fold_names = np.unique(folds)
        splits = [np.flatnonzero(folds != fold) for fold in fold_names]
        judged = [np.flatnonzero(folds == fold) for fold in fold_names]
        leaks = count_leaks(features, folds)
        if leaks:
            log.warning("%d rows have a twin with equal embeddings in another fold", leaks)
        if self.in_sample:
            log.warning("the decision head learns from in-sample scores, which are too sure")
        fold_heads: list[dict[str, Head]] = [{} for _ in splits]
        inside: list[dict[str, FloatArray]] = [{} for _ in splits]
        self.scores_, self.folds_ = {}, []
        n_fits = len(self.heads) * len(splits)
        for earlier, (source, head) in enumerate(self.heads.items()):
            if source in self.taken:
                self.scores_[source] = self.taken[source].scores
                continue
            fused = self._fused(features, source)
            scores = np.empty(y.shape, dtype=np.float32)
            fits = fold_checkpoints(head, keep and keep / source, fused=fused, y=y, splits=splits)
            for number, fitted in enumerate(fits):
                fold_heads[number][source] = fitted
                if on_fit is not None:
                    on_fit(earlier * len(splits) + number + 1, n_fits)
                scores[judged[number]] = fitted.predict_rows(fused.values, judged[number])
                if self.in_sample:
                    inside[number][source] = fitted.predict_rows(fused.values, splits[number])
                if self.stacker is None:
                    self.folds_.append(FittedModel(fold_heads[number], None))
                    yield int(fold_names[number]), judged[number], scores[judged[number]]
            self.scores_[source] = scores
        if self.stacker is None:
            return
        self.scores_ = fill_missing_modality(self.scores_, features)
        for number, (train, rows) in enumerate(zip(splits, judged, strict=True)):
            learned = {s: v[train] for s, v in self.scores_.items()}
            if self.in_sample:
                learned = fill_missing_modality(inside[number], features, train)
            stacker = self.stacker.copy().fit(learned, y[train])
            self.folds_.append(FittedModel(fold_heads[number], stacker))
            part = {s: v[rows] for s, v in self.scores_.items()}
            yield int(fold_names[number]), rows, stacker.predict(part)

    def fit(self, features: FeatureRows) -> Self:
        """Make the final model, by what `cross_validate` found; it must have run to its end."""
        y = targets_of(features)
        if not self.folds_:
            raise FitError(
                "the final model is fitted by what the folds found",
                "there was no cross-validation",
                "run cross_validate to its end first",
            )
        if self.final == "average":
            self.fitted = list(self.folds_)
            return self
        heads: dict[str, Head] = {}
        inside: dict[str, FloatArray] = {}
        for source, head in self.heads.items():
            if source in self.taken:
                heads[source] = self.taken[source].head
                continue
            fused = self._fused(features, source)
            for_refit = head.for_refit([fold.heads[source] for fold in self.folds_])
            heads[source] = for_refit.fit(
                fused.values, y, blocks=fused.blocks, prompts=fused.prompts
            )
            if self.in_sample:
                everyone = np.arange(len(y))
                inside[source] = heads[source].predict_rows(fused.values, everyone)
        stacker = None
        if self.stacker is not None:
            found = [fold.stacker for fold in self.folds_ if fold.stacker is not None]
            learned = fill_missing_modality(inside, features) if self.in_sample else self.scores_
            stacker = self.stacker.for_refit(found).fit(learned, y)
        self.fitted = [FittedModel(heads, stacker)]
        return self

    def _fused(self, features: FeatureRows, source: str) -> Fused[Matrix]:
        """What the head of `source` learns from; raise `FitError` where it takes no stream."""
        head = self.heads[source]
        assert isinstance(features, Features | StoredFeatures), "in memory or in their stores"
        if isinstance(features, Features) and not head.reads_parts:
            return fuse(features, source, normalise=self.normalise, prompts=head.uses_prompts)
        if isinstance(features, StoredFeatures) and not head.streams:
            raise FitError(
                f"the head {self.head} has all rows in memory",
                "they are more than --max-memory allows",
                "use logreg, mlp, gmlp or lightgbm, or raise --max-memory",
            )
        return fuse_stream(features, source, normalise=self.normalise, prompts=head.uses_prompts)

    def predict(self, features: Features) -> FloatArray:
        """Give probabilities of shape (n, k), float32, by the final model."""
        total: list[dict[str, FloatArray]] = [{} for _ in self.fitted]
        for source in self.heads:
            fused = fuse(features, source, normalise=self.normalise)
            for scores, part in zip(total, self.fitted, strict=True):
                scores[source] = part.heads[source].predict(fused.values)
        answers = [
            part.combine(scores, features) for scores, part in zip(total, self.fitted, strict=True)
        ]
        mean: FloatArray = np.mean(answers, axis=0, dtype=np.float32)
        return mean

    def save(self, folder: Path) -> None:
        """Write the final model: a folder per member and source; last, `model.json` with sums."""
        for number, part in enumerate(self.fitted):
            part.save(folder / str(number))
        names = ("head", "fusion", "loss", "seed", "settings")
        document = {name: getattr(self, name) for name in names}
        document |= {"members": len(self.fitted), "files": _sums(folder)}
        write_json(folder / "model.json", document)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model that `save` wrote; raise `FitError` where it is broken."""
        try:
            document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            members = document.pop("members")
            for name, sha256 in document.pop("files").items():  # before a parser sees them
                if file_sha256(folder / name) != sha256:
                    raise ValueError(f"{name} is not what was written")
            model = cls.build(**document)
            model.fitted = [
                FittedModel.load(folder / str(number), model.heads, model.stacker)
                for number in range(members)
            ]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
            raise FitError(
                "a saved model is model.json and a folder per head",
                f"{folder}: {error}",
                "fit the run again",
            ) from error
        return model


def _sums(folder: Path) -> dict[str, str]:
    """The sha256 of every file below `folder`, but for `model.json`, which keeps them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sums = {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}
    return {name: value for name, value in sums.items() if name != "model.json"}


@dataclass(frozen=True)
class ReusedSource:
    """A source as it was fitted before: final head, out-of-fold scores (n, k), what it took."""

    head: Head
    scores: FloatArray
    seconds: float


def split_settings(
    settings: Mapping[str, str],
) -> tuple[dict[str, str], dict[str, str], dict[str, dict[str, str]]]:
    """Part settings into the model's own, those of every head, and those of one source."""
    own: dict[str, str] = {}
    shared: dict[str, str] = {}
    by_source: dict[str, dict[str, str]] = {}
    for key, value in settings.items():
        source, dot, rest = key.rpartition(".")
        if dot:
            by_source.setdefault(source, {})[rest] = value
        elif key in ("normalise", "in_sample", "final"):
            own[key] = value
        else:
            shared[key] = value
    return own, shared, by_source


def targets_of(features: FeatureRows) -> Targets:
    """The targets; raise `FitError` where there are none."""
    if features.targets is None:
        raise FitError("a fit needs labels", "the features have none", "fit a split with labels")
    return features.targets
