"""What models of features share: they are built from a head, a fusion and settings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Self

from safetensors import SafetensorError

from mmfeat.config import FitSettings
from mmfeat.core.files import write_json
from mmfeat.core.plugins import check_name, resolve
from mmfeat.core.workspace import Workspace
from mmfeat.errors import ConfigError, FitError
from mmfeat.fit.fusion import (
    LearnedFusion,
    get_fusion,
    get_matrix_fusion,
    possible_sources,
    sources_of,
)
from mmfeat.fit.heads import HEADS
from mmfeat.fit.heads.base import Head
from mmfeat.fit.heads.space import Space
from mmfeat.fit.losses import LOSSES
from mmfeat.fit.models.model import FILE, OF_FUSION, FindSource, Reads, broken_model
from mmfeat.fit.models.settings import ModelSettings
from mmfeat.fit.models.source import Source, check_pair
from mmfeat.runs.config import BY_ROWS, FeatureSets, RunConfig
from mmfeat.store.layout import in_order


@dataclass(kw_only=True)
class FeatureModel(ABC):
    """A head per source of a fusion, not fitted yet.

    Attributes
    ----------
    head, fusion, loss, seed, settings
        What it was built from, and can be built from again.
    sources
        By name; a feature or learned fusion is its own only source. Those of a late fusion that
        features may lack are among them until the model is fitted.
    """

    kind: ClassVar[str]

    head: str
    fusion: str
    loss: str
    seed: int
    settings: dict[str, str]
    sources: dict[str, Source]
    final: str
    own_reads: Reads = field(default_factory=Reads)

    @classmethod
    def make(
        cls,
        *,
        head: str,
        fusion: str,
        loss: str = FitSettings().loss,
        seed: int = 0,
        settings: Mapping[str, str] | None = None,
        reads: Reads | None = None,
    ) -> Self:
        """Make an unfitted model; `settings` are those of `--set`, see `ModelSettings`.

        Raises `ConfigError` for a wrong setting or a head and a fusion that cannot be combined,
        and `PluginError` for an unknown name.
        """
        spec = get_fusion(fusion)
        if OF_FUSION[spec.kind] != cls.kind:
            raise ConfigError(
                f"a model of the kind {cls.kind} takes fusions of its kind",
                f"{fusion} is a {spec.kind} fusion",
                "use mmfeat.fit.models.model.build_model",
            )
        check_name(loss, LOSSES, "loss")
        parsed = ModelSettings.parse(settings or {})
        head_class: type[Head] = resolve(head, HEADS, "head")
        check_pair(head_class, fusion, sources_of(fusion))
        names = sources_of(fusion) if head_class.uses_prompts else possible_sources(fusion)
        given: dict[str, str] = {"loss": loss} if head_class.uses_loss else {}
        if head_class.learns_fusion:
            given["learned_fusion"] = spec.module if isinstance(spec, LearnedFusion) else "none"
        unknown = set(parsed.by_source) - set(names) - cls.extra_parts()
        if unknown:
            raise no_part(fusion, names, ", ".join(sorted(unknown)))
        sources = {
            name: Source(
                fusion=name,
                head=head_class.from_settings(
                    {**parsed.shared, **parsed.by_source.get(name, {})}, seed=seed, **given
                ),
                normalise=parsed.normalise,
            )
            for name in names
        }
        return cls(
            head=head,
            fusion=fusion,
            loss=loss,
            seed=seed,
            settings=dict(settings or {}),
            sources=sources,
            final=parsed.final,
            own_reads=reads or Reads(),
            **cls._parts(parsed, fusion, names, seed=seed, loss=loss),
        )

    @classmethod
    def extra_parts(cls) -> set[str]:
        """The parts besides the sources that settings can be for."""
        return set()

    @classmethod
    def _parts(
        cls, parsed: ModelSettings, fusion: str, names: tuple[str, ...], *, seed: int, loss: str
    ) -> dict[str, Any]:
        """What a kind of model has besides its sources."""
        if parsed.in_sample is not None or parsed.decision is not None:
            raise no_part(fusion, names, "the decision")
        return {}

    @classmethod
    def plan(
        cls,
        options: FitSettings,
        *,
        features: FeatureSets,
        settings: Mapping[str, str],
        workspace: Workspace | None,
    ) -> RunConfig:
        """Make the config of its run; see `Model.plan`."""
        model = cls.make(
            head=options.head, fusion=options.fusion, loss=options.loss, settings=settings
        )
        return RunConfig(
            split=options.split,
            features=features,
            head=options.head,
            fusion=options.fusion,
            loss=options.loss if model.uses_loss else None,
            folds=BY_ROWS if options.folds is None else options.folds,
            seed=options.seed,
            settings=dict(settings),
        )

    @classmethod
    def build(cls, config: RunConfig, workspace: Workspace | None = None) -> Self:
        """Make the model of a config, not fitted."""
        return cls.make(
            head=config.head,
            fusion=config.fusion,
            loss=config.loss or FitSettings().loss,
            seed=config.seed,
            settings=config.settings,
            reads=Reads(features=config.features),
        )

    @property
    def reads(self) -> tuple[Reads, ...]:
        """The feature sets of its run, and the modalities that its sources join."""
        stored = [m for store in self.own_reads.stores for m in store["modalities"]]
        joined = [get_matrix_fusion(name).modalities or stored for name in self.sources]
        return (replace(self.own_reads, modalities=in_order(chain.from_iterable(joined))),)

    @property
    def uses_loss(self) -> bool:
        """Whether the loss changes anything."""
        return any(source.head.uses_loss for source in self.sources.values())

    @property
    def reused_seconds(self) -> float:
        """Seconds of the finished runs whose parts it reuses."""
        return 0.0

    def search_space(self) -> Space:
        """What can be tried for the options of its head."""
        return next(iter(self.sources.values())).head.search_space()

    def digest(self, stores: str) -> str:
        """The digest of the stores: features are all that it is fitted on."""
        return stores

    def reuse(self, find: FindSource) -> None:  # noqa: B027 - not every model has a use for it
        """Reuse nothing: a model of one source is that source."""

    @abstractmethod
    def _save_parts(self, folder: Path) -> int:
        """Write the final parts, a numbered folder each; return their number."""

    @abstractmethod
    def _load_parts(self, folder: Path, n_parts: int) -> None:
        """Read what `_save_parts` wrote."""

    def save(self, folder: Path) -> None:
        """Write the final model: a numbered folder per part, `model.json` last."""
        n_parts = self._save_parts(folder)
        names = ("head", "fusion", "loss", "seed", "settings")
        document = {name: getattr(self, name) for name in names}
        parts = {"sources": list(self.sources), "members": n_parts}
        write_json(folder / FILE, {"kind": self.kind, **document, **parts})

    @classmethod
    def load(cls, folder: Path, document: dict[str, Any], reads: Reads) -> Self:
        """Read a model that `save` wrote; raise `FitError` where it is broken."""
        try:
            n_parts = document.pop("members")
            names = document.pop("sources", sources_of(document["fusion"]))
            if n_parts < 1 or not set(sources_of(document["fusion"])) <= set(names):
                raise ValueError(f"it has {n_parts} parts, of the sources {names}")
            model = cls.make(**document, reads=reads)
            model.sources = {name: model.sources[name] for name in names}
            model._load_parts(folder, n_parts)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
            raise broken_model(folder, error) from error
        return model


def not_cross_validated() -> FitError:
    """Make the error for a final model without cross-validation."""
    return FitError(
        "the final model needs the results of the folds",
        "there was no cross-validation",
        "run cross_validate to its end first",
    )


def no_part(fusion: str, names: tuple[str, ...], found: str) -> ConfigError:
    """Make the error for a setting of a part that a fusion lacks."""
    return ConfigError(
        f"the fusion {fusion} has the parts {', '.join(names)}",
        f"a setting is for {found}",
        "remove that setting, or choose another fusion",
    )
