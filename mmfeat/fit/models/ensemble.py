"""An ensemble: the weighted mean of finished runs' probabilities, or of their logits.

The weights are non-negative, sum to 1, and minimise the log-loss on the runs' out-of-fold scores
(stacking as in Breiman 1996, without an intercept), or are chosen greedily (Caruana et al. 2004).
The weights of a fold are found on the other folds, those of the final model on all rows. The heads
of the runs are copied into the ensemble, which does not need the runs afterwards.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from mmfeat.config import FitSettings
from mmfeat.core.files import write_json
from mmfeat.core.workspace import Workspace
from mmfeat.errors import ConfigError, FitError, RunError
from mmfeat.fit.heads.base import History
from mmfeat.fit.heads.options import Option, Rule, option, options_of
from mmfeat.fit.heads.space import Space
from mmfeat.fit.models.feature_model import not_cross_validated
from mmfeat.fit.models.model import FILE, FindSource, Model, Reads, broken_model, load_model
from mmfeat.fit.models.source import labelled
from mmfeat.fit.models.weights import Weights, choose_weights, fit_weights, mix
from mmfeat.runs.config import FeatureSets, RunConfig
from mmfeat.runs.folds import Folds
from mmfeat.runs.listing import find_run
from mmfeat.runs.run import Run
from mmfeat.types import FeatureRows, Features, FloatArray, IntArray, Targets

log = logging.getLogger(__name__)

COPIED = ("config.json", "provenance.json")


@dataclass(kw_only=True)
class Ensemble:
    """Finished runs and how they are averaged, as given by `--set`.

    Attributes
    ----------
    runs
        By name; written as ``runs=RUN1,RUN2``.
    average
        What is averaged: ``probability`` or ``logit``.
    weights
        ``fitted``, ``greedy`` or ``equal``.
    weights_
        The share of each run, (runs,), after `cross_validate`.
    models_
        The model of each run, after `load`.
    """

    kind: ClassVar[str] = "ensemble"

    runs: dict[str, Run]
    average: str = option("probability", "what is averaged", choices=("probability", "logit"))
    weights: str = option(
        "fitted",
        "weights fitted to the out-of-fold scores by log-loss, chosen greedily by mean average"
        " precision, or all equal",
        choices=("fitted", "greedy", "equal"),
    )
    weights_: Weights = field(default_factory=lambda: np.empty(0))
    models_: tuple[Model, ...] = ()

    @classmethod
    def find(cls, workspace: Workspace, settings: Mapping[str, str]) -> Self:
        """Find the runs; raise `ConfigError` for a wrong setting, `RunError` for a missing run."""
        names = [part.strip() for part in settings.get("runs", "").split(",") if part.strip()]
        unknown = sorted(set(settings) - {"runs", "average", "weights"})
        if unknown or len(set(names)) < 2:
            raise ConfigError(
                "an ensemble takes runs (two or more names), average and weights",
                f"{unknown[0]!r} is not one of them" if unknown else f"it was given {names}",
                "write e.g. --set runs=RUN1,RUN2; `mmfeat runs` lists them",
            )
        ensemble = cls(
            runs={name: find_run(workspace, name) for name in names},
            average=settings.get("average", cls.average),
            weights=settings.get("weights", cls.weights),
        )
        for known in ensemble_options()[1:]:
            known.rule.check(known.name, getattr(ensemble, known.name))
        return ensemble

    @classmethod
    def plan(
        cls,
        options: FitSettings,
        *,
        features: FeatureSets,
        settings: Mapping[str, str],
        workspace: Workspace | None,
    ) -> RunConfig:
        """Make its config: split, folds and seed of the first run, the feature sets of all."""
        if features:
            raise ConfigError(
                "an ensemble uses the features of its runs",
                f"--features {','.join(features)} was given",
                "leave it out",
            )
        configs = [run.config for run in cls.find(_needed(workspace), settings).runs.values()]
        # One run without a named feature set makes the unnamed one the ensemble's.
        joined = dict.fromkeys(name for config in configs for name in config.features)
        sets = tuple(joined) if all(config.features for config in configs) else ()
        beside = dict.fromkeys(name for config in configs for name in config.beside)
        return RunConfig(
            split=configs[0].split,
            features=sets,
            beside=tuple(name for name in beside if name not in (sets or ("",))),
            head=cls.kind,
            fusion="runs",
            loss=None,
            folds=configs[0].folds,
            seed=configs[0].seed,
            settings=dict(settings),
            exclude_labels=configs[0].exclude_labels,
            min_positives=configs[0].min_positives,
            near_copies=configs[0].near_copies,
            fold_by=configs[0].fold_by,
            validation=configs[0].validation,
        )

    @classmethod
    def build(cls, config: RunConfig, workspace: Workspace | None) -> Self:
        """Find the runs of a config; raise `RunError` for a missing one."""
        return cls.find(_needed(workspace), config.settings)

    @property
    def reads(self) -> tuple[Reads, ...]:
        """What its runs read."""
        return tuple(reads for model in self.models_ for reads in model.reads)

    @property
    def history(self) -> dict[str, list[History]]:
        """Empty: nothing of it is trained in epochs."""
        return {}

    @property
    def reused_seconds(self) -> float:
        """0: its runs are inputs, not parts to be fitted."""
        return 0.0

    def search_space(self) -> Space:
        """Nothing: it has no head of its own."""
        return {}

    def digest(self, stores: str) -> str:
        """What identifies the data: the digest of the stores, and the runs' scores."""
        total = hashlib.sha256(stores.encode())
        for run in self.runs.values():
            with (run.folder / "scores.h5").open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
        return total.hexdigest()

    def reuse(self, find: FindSource) -> None:
        """It has no source of its own."""

    def cross_validate(
        self,
        features: FeatureRows,
        folds: Folds,
        *,
        checkpoints: Path | None = None,
        on_fit: Callable[[int, int], None] | None = None,
    ) -> Iterator[tuple[int, IntArray, FloatArray]]:
        """Yield (fold, rows, probabilities) for every fold; see `Model.cross_validate`.

        Nothing is written to `checkpoints`. Raises `RunError` where a run has other rows, labels
        or folds.
        """
        y = labelled(features)
        scores = np.stack([_scores(run, features, folds) for run in self.runs.values()])
        parts = folds.for_stackers()
        for done, fold in enumerate(parts, start=1):
            weights = self._fit_weights(scores[:, fold.train], y[fold.train])
            if on_fit is not None:
                on_fit(done, len(parts))
            yield fold.number, fold.judged, mix(scores[:, fold.judged], weights, self.average)
        self.weights_ = self._fit_weights(scores[:, folds.judged], y[folds.judged])

    def fit(self, features: FeatureRows) -> Self:
        """Keep the weights that `cross_validate` fitted on all rows."""
        if not self.weights_.size:
            raise not_cross_validated()
        shares = zip(self.runs, self.weights_, strict=True)
        log.info("weights: %s", ", ".join(f"{name} {share:.3f}" for name, share in shares))
        return self

    def predict_proba(self, features: Mapping[FeatureSets, Features]) -> FloatArray:
        """Return probabilities (n, k), float32: the weighted mean of those of its runs."""
        answers = [model.predict_proba(features) for model in self.models_]
        return mix(np.stack(answers), self.weights_, self.average)

    def save(self, folder: Path) -> None:
        """Write a copy of every run's head, config and provenance; `model.json` last."""
        for name, run in self.runs.items():
            target = folder / "members" / name
            for file in ("head", *COPIED):  # a damaged file must not be copied and sealed again
                run.verify(file)
            shutil.copytree(run.folder / "head", target / "head")
            for file in COPIED:
                shutil.copy(run.folder / file, target / file)
        weights = dict(zip(self.runs, self.weights_.tolist(), strict=True))
        write_json(folder / FILE, {"kind": self.kind, "average": self.average, "weights": weights})

    @classmethod
    def load(cls, folder: Path, document: dict[str, Any], reads: Reads) -> Self:
        """Read what `save` wrote; its runs then consist of their heads."""
        try:
            weights = np.array(list(document["weights"].values()), dtype=np.float64)
            if weights.ndim != 1:
                raise ValueError("a weight is not a number")
            if any(name in ("", ".", "..") or "/" in name for name in document["weights"]):
                raise ValueError("a run has no plain name")
            runs = {name: Run(folder / "members" / name) for name in document["weights"]}
            average = document["average"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise broken_model(folder, error) from error
        models = tuple(load_model(run) for run in runs.values())
        return cls(runs=runs, average=average, weights_=weights, models_=models)

    def _fit_weights(self, scores: FloatArray, targets: Targets) -> Weights:
        if self.weights == "equal":
            return np.full(len(scores), 1 / len(scores))
        if self.weights == "greedy":
            return choose_weights(scores, targets, average=self.average)
        return fit_weights(scores.reshape(len(scores), -1), targets.ravel(), average=self.average)


def ensemble_options() -> tuple[Option, ...]:
    """The options of an ensemble that `--set` gives."""
    runs = Option(
        name="runs",
        type=str,
        default="",
        rule=Rule(help="names of two or more runs, as in RUN1,RUN2"),
    )
    return (runs, *(known for known in options_of(Ensemble).values() if known.rule.help))


def _needed(workspace: Workspace | None) -> Workspace:
    if workspace is None:
        raise FitError(
            "an ensemble is made of finished runs",
            "no workspace was given to find them in",
            "name the workspace",
        )
    return workspace


def _scores(run: Run, features: FeatureRows, folds: Folds) -> FloatArray:
    """Out-of-fold probabilities (n, k) of `run`, 0 where a row is not judged.

    Raises `RunError` unless they belong to `features`.
    """
    scores, judged, y = run.oof, folds.judged, labelled(features)
    shared = {
        "ids": scores.ids == folds.ids_of_judged(features.ids),
        "labels": scores.labels == features.labels,
        "targets": np.array_equal(scores.targets, y[judged]),
        "folds": np.array_equal(scores.folds, folds.of_judged),
    }
    for what, is_same in shared.items():
        if not is_same:
            raise RunError(
                "the runs of an ensemble share ids, labels, targets and folds",
                f"{run.name} has other {what} than the first",
                "fit it with the same --split, --folds and --seed",
            )
    spread = np.zeros(y.shape, np.float32)
    spread[judged] = scores.probabilities
    return spread
