"""An ensemble: the weighted mean of finished runs' probabilities, or of their logits.

The weights are at least 0, sum to 1, and have the least log-loss on the runs' out-of-fold scores
(stacking as in Breiman 1996, without an intercept). Those that mix a fold were fitted on the
other folds, those of the final model on all rows. The runs' heads are copied into the ensemble,
which then needs them no more.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from mmfeat.core.checks import check_choice
from mmfeat.core.files import write_json
from mmfeat.errors import ConfigError, FitError, RunError
from mmfeat.fit.heads.base import History
from mmfeat.fit.stacking import float32_logits
from mmfeat.runs.run import Run, RunConfig, find_run
from mmfeat.runs.workspace import Workspace
from mmfeat.types import FeatureRows, FloatArray, IntArray, Targets

log = logging.getLogger(__name__)

NAME = "ensemble"
COPIED = ("config.json", "provenance.json")
SMALLEST = 1e-7  # probability, inside a logarithm

Weights = NDArray[np.float64]  # (runs,)


@dataclass(kw_only=True)
class Ensemble:
    """Finished runs and how they are mixed; `--set` gives all of it.

    `runs` are names, comma-separated; `average` is probability or logit; `weights` are fitted or
    equal.
    """

    members: dict[str, Run]
    average: str = "probability"
    weights: str = "fitted"
    weights_: Weights = field(default_factory=lambda: np.empty(0))

    @property
    def history(self) -> dict[str, list[History]]:
        """It trains nothing by epochs."""
        return {}

    @classmethod
    def build(cls, workspace: Workspace, settings: Mapping[str, str]) -> Self:
        """Find the runs; raise `ConfigError` for a wrong setting, `RunError` for a missing run."""
        names = [part.strip() for part in settings.get("runs", "").split(",") if part.strip()]
        unknown = sorted(set(settings) - {"runs", "average", "weights"})
        if unknown or len(set(names)) < 2:
            raise ConfigError(
                "an ensemble takes runs (two or more names), average and weights",
                f"{unknown[0]!r} is none of them" if unknown else f"it was given {names}",
                "write e.g. --set runs=RUN1,RUN2; `mmfeat runs` lists them",
            )
        ensemble = cls(
            members={name: find_run(workspace, name) for name in names},
            average=settings.get("average", cls.average),
            weights=settings.get("weights", cls.weights),
        )
        check_choice("average", ensemble.average, ("probability", "logit"))
        check_choice("weights", ensemble.weights, ("fitted", "equal"))
        return ensemble

    def plan(self, settings: Mapping[str, str]) -> RunConfig:
        """The config of its run: split, folds and seed of the first run, the features of all."""
        configs = [run.config for run in self.members.values()]
        # One run without a named feature set makes the unnamed one the ensemble's.
        features = dict.fromkeys(name for config in configs for name in config.features)
        return RunConfig(
            split=configs[0].split,
            features=tuple(features) if all(config.features for config in configs) else (),
            head=NAME,
            fusion="runs",
            loss=None,
            folds=configs[0].folds,
            seed=configs[0].seed,
            settings=dict(settings),
        )

    def digest(self, stores: str) -> str:
        """What identifies the data: the digest of the stores, and the runs' scores."""
        total = hashlib.sha256(stores.encode())
        for run in self.members.values():
            with (run.folder / "scores.h5").open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
        return total.hexdigest()

    def cross_validate(
        self,
        features: FeatureRows,
        folds: IntArray,
        *,
        keep: Path | None = None,
        on_fit: Callable[[int, int], None] | None = None,
    ) -> Iterator[tuple[int, IntArray, FloatArray]]:
        """Yield (fold, rows, probabilities), as `Model.cross_validate` does; nothing is kept.

        Raises `RunError` where a run has other rows, labels or folds.
        """
        assert features.targets is not None, "mmfeat.fit.training_data.load_training has seen to it"
        parts = np.stack([_scores(run, features, folds) for run in self.members.values()])
        names = np.unique(folds)
        for done, fold in enumerate(names, start=1):
            rows, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            weights = self._fit_weights(parts[:, others], features.targets[others])
            if on_fit is not None:
                on_fit(done, len(names))
            yield int(fold), rows, mix(parts[:, rows], weights, self.average)
        self.weights_ = self._fit_weights(parts, features.targets)

    def fit(self, features: FeatureRows) -> Self:
        """The final model is what `cross_validate` found in the end."""
        if not self.weights_.size:
            raise FitError(
                "the weights are fitted on out-of-fold scores",
                "there was no cross-validation",
                "run cross_validate to its end first",
            )
        shares = zip(self.members, self.weights_, strict=True)
        log.info("weights: %s", ", ".join(f"{name} {share:.3f}" for name, share in shares))
        return self

    def save(self, folder: Path) -> None:
        """Write `ensemble.json` and a copy of every run's head, config and provenance."""
        for name, run in self.members.items():
            target = folder / "members" / name
            shutil.copytree(run.folder / "head", target / "head")
            for file in COPIED:
                shutil.copy(run.folder / file, target / file)
        weights = dict(zip(self.members, self.weights_.tolist(), strict=True))
        write_json(folder / "ensemble.json", {"average": self.average, "weights": weights})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; the members are runs that have nothing but a head."""
        path = folder / "ensemble.json"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            weights = np.array(list(document["weights"].values()), dtype=np.float64)
            if weights.ndim != 1:
                raise ValueError("a weight is no number")
            members = {name: Run(folder / "members" / name) for name in document["weights"]}
            return cls(members=members, average=document["average"], weights_=weights)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise FitError(
                "a saved ensemble is ensemble.json and a folder per run",
                f"{path}: {error}",
                "fit the ensemble again",
            ) from error

    def mix(self, parts: Sequence[FloatArray]) -> FloatArray:
        """Give probabilities of shape (n, k) from each run's, in the order of `members`."""
        return mix(np.stack(parts), self.weights_, self.average)

    def _fit_weights(self, parts: FloatArray, targets: Targets) -> Weights:
        if self.weights == "equal":
            return np.full(len(parts), 1 / len(parts))
        return fit_weights(parts.reshape(len(parts), -1), targets.ravel(), average=self.average)


def mix(parts: FloatArray, weights: Weights, average: str) -> FloatArray:
    """The weighted mean of `parts`, (runs, n, k)."""
    shares = weights[:, None, None].astype(np.float32)
    if average == "probability":
        mixed: FloatArray = (parts * shares).sum(axis=0)
        return mixed.clip(0, 1)
    logits = (float32_logits(parts) * shares).sum(axis=0)
    sigmoid: FloatArray = 1 / (1 + np.exp(-logits))
    return sigmoid


def fit_weights(parts: FloatArray, targets: Targets, *, average: str) -> Weights:
    """Weights (runs,), at least 0 and of sum 1, of least log-loss: a convex problem.

    `parts` are probabilities of shape (runs, n) and `targets` of shape (n,).
    """

    def of_probabilities(weights: Weights) -> tuple[float, Weights]:
        mixed = weights @ told
        return float(-np.log(mixed).mean()), -(told / mixed).mean(axis=1)

    def of_logits(weights: Weights) -> tuple[float, Weights]:
        z = weights @ told
        slope = told @ (1 / (1 + np.exp(-z)) - targets) / len(targets)
        return float((np.logaddexp(0, z) - targets * z).mean()), slope

    if average == "logit":
        told, loss = float32_logits(parts).astype(np.float64), of_logits
    else:  # the probability of what came out
        told = np.where(targets, parts, 1 - parts).clip(SMALLEST, 1).astype(np.float64)
        loss = of_probabilities
    equal = np.full(len(parts), 1 / len(parts))
    found = minimize(
        loss,
        equal,
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * len(parts),
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-9},
    )
    weights: Weights = np.clip(found.x, 0, None)
    weights /= weights.sum()
    return weights if loss(weights)[0] <= loss(equal)[0] else equal


def _scores(run: Run, features: FeatureRows, folds: IntArray) -> FloatArray:
    """Out-of-fold probabilities of `run`; raise `RunError` unless they belong to `features`."""
    scores = run.oof
    pairs: dict[str, tuple[Any, Any]] = {
        "ids": (scores.ids, features.ids),
        "labels": (scores.labels, features.labels),
        "targets": (scores.targets, features.targets),
        "folds": (scores.folds, folds),
    }
    for what, (own, shared) in pairs.items():
        if not np.array_equal(own, shared):
            raise RunError(
                "the runs of an ensemble share ids, labels, targets and folds",
                f"{run.name} has other {what} than the first",
                "fit it with the same --split, --folds and --seed",
            )
    return scores.probabilities
