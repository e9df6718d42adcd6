"""A source of a model: one head on one fusion of the features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmfeat.errors import ConfigError, FitError, counted
from mmfeat.fit.fusion import get_fusion, prompted_fusions
from mmfeat.fit.fusion.fuse import fuse, fuse_stream
from mmfeat.fit.heads.base import Head
from mmfeat.runs.folds import Folds
from mmfeat.runs.folds.twins import count_leaks
from mmfeat.store import StoredFeatures
from mmfeat.types import FeatureRows, Features, FloatArray, Fused, Matrix, Targets


@dataclass(frozen=True, kw_only=True)
class Source:
    """A head that is not fitted, the fusion it reads, and whether embeddings are normalised."""

    fusion: str
    head: Head
    normalise: bool

    def fused(self, features: FeatureRows) -> Fused[Matrix]:
        """The input of the head; raise `FitError` if it needs rows in memory that do not fit."""
        assert isinstance(features, Features | StoredFeatures), "in memory or in their stores"
        if isinstance(features, StoredFeatures) and not self.head.streams:
            raise FitError(
                f"the head {self.head.name} holds all rows in memory",
                "they are more than fit (--max-memory)",
                "use logreg, mlp, gmlp or lightgbm, or raise --max-memory",
            )
        how: Any = {"normalise": self.normalise, "prompts": self.head.uses_prompts}
        fused: Fused[Any]
        if isinstance(features, Features) and not self.head.reads_parts:
            fused = fuse(features, self.fusion, **how)
        else:
            fused = fuse_stream(features, self.fusion, **how)
        return replace(fused, groups=features.groups)

    def refit(self, fused: Fused[Matrix], y: Targets, folds: Sequence[Head]) -> Head:
        """Fit the head on all rows, with what the heads of the folds found."""
        head = self.head.for_refit(folds)
        return head.fit(
            fused.values, y, blocks=fused.blocks, prompts=fused.prompts, groups=fused.groups
        )

    def predict_proba(self, features: Features, heads: Sequence[Head]) -> list[FloatArray]:
        """Return the probabilities (n, k) of each of `heads`, which read the same fusion."""
        fused = fuse(features, self.fusion, normalise=self.normalise)
        for head in heads:
            if head.blocks_ and head.blocks_ != fused.blocks:
                raise FitError(
                    f"this head was fitted on {_sum(head.blocks_)} numbers per row",
                    f"these rows have {_sum(fused.blocks)}",
                    "use the encoder and fusion that it was fitted on",
                )
        return [head.predict_proba(fused.values) for head in heads]


def _sum(blocks: tuple[int, ...]) -> str:
    """The widths of the parts of a row, e.g. ``768 + 768``."""
    return " + ".join(map(str, blocks))


def labelled(features: FeatureRows) -> Targets:
    """The targets; raise `FitError` where there are none."""
    if features.targets is None:
        raise FitError("a fit needs labels", "the features have none", "fit a split with labels")
    return features.targets


def twins_across(features: FeatureRows, folds: Folds) -> str | None:
    """A warning about rows whose embeddings stand in another fold as well; None without any."""
    leaks = count_leaks(features, folds.held_out)
    told = counted(leaks, "row has", "rows have")
    return f"{told} a twin with equal embeddings in another fold" if leaks else None


def check_pair(head: type[Head], fusion: str, sources: Sequence[str]) -> None:
    """Raise `ConfigError` for a head and a fusion that make no sense together."""
    if get_fusion(fusion).kind == "learned" and not head.learns_fusion:
        raise ConfigError(
            f"the fusion {fusion} is learned inside torch heads",
            f"the head {head.name} is not one of them",
            "use the head mlp or gmlp, or the fusion concat",
        )
    if head.uses_prompts and not set(sources) <= set(prompted_fusions()):
        raise ConfigError(
            f"the head {head.name} compares rows with prompts of the labels, which are texts",
            f"rows of the fusion {fusion} do not lie in their space",
            f"use one of {', '.join(prompted_fusions())}, or a late fusion",
        )
