"""A model gives out-of-fold scores and predicts features: one protocol, one registry of kinds.

A head on one fusion, stacked heads (late fusions) and an ensemble of runs are models. `fit`,
`predict` and everything after them know the protocol alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from mmfeat.config import FitSettings
from mmfeat.core.files import read_json
from mmfeat.core.plugins import Plugin, check_name, resolve
from mmfeat.core.workspace import Workspace
from mmfeat.errors import FitError
from mmfeat.fit.fusion import get_fusion
from mmfeat.fit.heads import HEADS
from mmfeat.fit.heads.base import Head, History
from mmfeat.fit.heads.space import Space
from mmfeat.runs.config import FeatureSets, RunConfig
from mmfeat.runs.folds import Folds
from mmfeat.runs.run import Run
from mmfeat.store.layout import in_order
from mmfeat.types import FeatureRows, Features, FloatArray, IntArray

FILE = "model.json"

MODELS: dict[str, Plugin] = {
    "head": Plugin("mmfeat.fit.models.head_model:HeadModel", "one head on one fusion"),
    "stacked": Plugin(
        "mmfeat.fit.models.stacked_model:StackedModel", "one head per source, stacked"
    ),
    "ensemble": Plugin(
        "mmfeat.fit.models.ensemble:Ensemble",
        "weighted mean of finished runs: --set runs=RUN1,RUN2",
    ),
}
OF_FUSION = {"feature": "head", "learned": "head", "late": "stacked"}  # kind of fusion -> model

# What `fit --head` takes: a head, or an ensemble, which is made of runs instead of features.
FITTED: dict[str, Plugin] = {**HEADS, "ensemble": MODELS["ensemble"]}


@dataclass(frozen=True, kw_only=True)
class Reads:
    """What a model reads of a split.

    Attributes
    ----------
    features
        The feature sets that are joined; none: the unnamed one.
    stores
        The provenance of the stores it was fitted on, one per feature set.
    modalities
        Those that it looks at, of all that the stores have.
    """

    features: FeatureSets = ()
    stores: tuple[dict[str, Any], ...] = ()
    modalities: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReusedSource:
    """A source as a finished run has fitted it.

    Attributes
    ----------
    head
        The final head.
    scores
        Its out-of-fold probabilities, (n, k).
    seconds
        What the run took.
    """

    head: Head
    scores: FloatArray
    seconds: float


FindSource = Callable[[str, Head], ReusedSource | None]  # of a source, with its head unfitted


class Model(Protocol):
    """A model that is fitted across folds, saved in a run, and predicts."""

    kind: ClassVar[str]

    @classmethod
    def plan(
        cls,
        options: FitSettings,
        *,
        features: FeatureSets,
        settings: Mapping[str, str],
        workspace: Workspace | None,
    ) -> RunConfig:
        """Make the config of its run; raise `ConfigError` for settings it does not take."""
        ...

    @classmethod
    def build(cls, config: RunConfig, workspace: Workspace | None) -> Self:
        """Make the model of a config, not fitted; an ensemble finds its runs in `workspace`."""
        ...

    @classmethod
    def load(cls, folder: Path, document: dict[str, Any], reads: Reads) -> Self:
        """Read what `save` wrote; `document` is `model.json` without its `kind`."""
        ...

    @property
    def reads(self) -> tuple[Reads, ...]:
        """What `predict_proba` needs of a split."""
        ...

    @property
    def history(self) -> dict[str, list[History]]:
        """The losses in `cross_validate`, fold by fold, of each part trained in epochs."""
        ...

    @property
    def reused_seconds(self) -> float:
        """Seconds of the finished runs whose parts it reuses."""
        ...

    def search_space(self) -> Space:
        """What `mmfeat search` may try for each setting; empty where there is nothing to try."""
        ...

    def digest(self, stores: str) -> str:
        """What identifies the data it is fitted on; `stores` is the digest of the stores."""
        ...

    def reuse(self, find: FindSource) -> None:
        """Reuse parts of finished runs on the same data where that does not change the result."""
        ...

    def cross_validate(
        self,
        features: FeatureRows,
        folds: Folds,
        *,
        checkpoints: Path | None = None,
        on_fit: Callable[[int, int], None] | None = None,
    ) -> Iterator[tuple[int, IntArray, FloatArray]]:
        """Yield (fold, rows, probabilities) for every fold, by a model that never saw its rows.

        Rows that are never held out are only learned from. With `checkpoints`, each fold's heads
        are saved in that folder and loaded from there when the same call is made again, which
        resumes the fit; a head whose refit needs nothing from the folds is refitted beside them.
        ``on_fit(done, total)`` is called after each fitted head.
        Raises `FitError` where the features have no labels or do not fit the model.
        """
        ...

    def fit(self, features: FeatureRows) -> Self:
        """Make the final model from the results of `cross_validate`, which must be complete."""
        ...

    def predict_proba(self, features: Mapping[FeatureSets, Features]) -> FloatArray:
        """Return probabilities (n, k), float32, of rows; `features` holds what `reads` names."""
        ...

    def save(self, folder: Path) -> None:
        """Write the final model into `folder`, `model.json` last."""
        ...


def model_class(head: str, fusion: str) -> type[Model]:
    """The class of model that a head and a fusion make; raise `PluginError` for unknown names."""
    check_name(head, FITTED, "head")
    kind = head if head in MODELS else OF_FUSION[get_fusion(fusion).kind]
    found: type[Model] = resolve(kind, MODELS, "model")
    return found


def build_model(config: RunConfig, workspace: Workspace | None = None) -> Model:
    """Make the model that `config` describes, not fitted."""
    return model_class(config.head, config.fusion).build(config, workspace)


def load_model(run: Run) -> Model:
    """Read the final model of a run; raise `RunError` or `FitError` where a file is damaged."""
    run.verify("head")
    reads = Reads(features=run.config.features, stores=tuple(run.provenance["stores"]))
    return read_model(run.folder / "head", reads)


def modalities_of(model: Model) -> tuple[str, ...]:
    """The modalities that a model looks at, in their usual order."""
    return in_order(name for reads in model.reads for name in reads.modalities)


def read_model(folder: Path, reads: Reads | None = None) -> Model:
    """Read the model that `Model.save` wrote into `folder`; raise `FitError` where it is broken."""
    try:
        document = read_json(folder / FILE)
        found: type[Model] = resolve(document.pop("kind"), MODELS, "model")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise broken_model(folder, error) from error
    return found.load(folder, document, reads or Reads())


def broken_model(folder: Path, error: Exception) -> FitError:
    """Make the error of a saved model that cannot be read."""
    return FitError(
        "a saved model is model.json and a folder per part",
        f"{folder}: {error}",
        "fit the run again with the same `mmfeat fit …`",
    )
