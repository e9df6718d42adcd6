"""A model is a fusion and a head: from cached features to probabilities.

`fit` and `predict` go through here, so that they treat every head and fusion alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from mmfeat.errors import ConfigError, RunError
from mmfeat.files import write_json
from mmfeat.fusion import FUSIONS, fuse
from mmfeat.heads import HEADS
from mmfeat.heads.base import Head, parse_option
from mmfeat.losses import LOSSES
from mmfeat.plugins import check_name, resolve
from mmfeat.types import Features, FloatArray, Fused, IntArray, Targets


@dataclass(frozen=True, kw_only=True)
class Model:
    """A fusion and a head, fitted or not."""

    fusion: str
    head: Head
    normalise: bool = True

    @classmethod
    def build(
        cls, *, head: str, fusion: str, loss: str | None, seed: int, settings: Mapping[str, str]
    ) -> Self:
        """Make an unfitted model from names and `--set` texts.

        Raises `PluginError` for an unknown name and `ConfigError` for a pair without sense.
        """
        kind = FUSIONS[check_name(fusion, FUSIONS, "fusion")].kind
        head_type: type[Head] = resolve(head, HEADS, "head")
        options = dict(settings)
        normalise = parse_option("normalise", options.pop("normalise", "true"), "bool")
        given: dict[str, str] = {}
        if head_type.uses_loss:
            given["loss"] = check_name(loss or "bce", LOSSES, "loss")
        if kind == "learned":
            if not head_type.learns_fusion:
                raise ConfigError(
                    f"the fusion {fusion!r} is learned inside a torch head",
                    f"{head!r} is none",
                    "use it with mlp, or choose a fusion of the kind `feature`",
                )
            given["learned_fusion"] = fusion
        made = head_type.from_settings(options, seed=seed, **given)
        return cls(fusion=fusion, head=made, normalise=normalise)

    @property
    def uses_loss(self) -> bool:
        """Whether the choice of a loss means anything to it."""
        return self.head.uses_loss

    def fit_folds(
        self, features: Features, targets: Targets, splits: Sequence[IntArray]
    ) -> Iterator[Self]:
        """Yield one fitted model per entry of `splits`, the rows to train on."""
        fused = self._fuse(features)
        heads = self.head.fit_folds(fused.values, targets, blocks=fused.blocks, splits=splits)
        for head in heads:
            yield replace(self, head=head)

    def refit(self, features: Features, targets: Targets, folds: Sequence[Self]) -> Self:
        """Fit on all rows, for as long as the models of the folds found best."""
        fused = self._fuse(features)
        head = self.head.settled([model.head for model in folds])
        return replace(self, head=head.fit(fused.values, targets, blocks=fused.blocks))

    def predict(self, features: Features) -> FloatArray:
        """Give probabilities of shape (n, k) in [0, 1], float32."""
        return self.head.predict(self._fuse(features).values)

    def save(self, folder: Path) -> None:
        """Write `model.json` and the head."""
        self.head.save(folder)
        document = {"head": self.head.name, "fusion": self.fusion, "normalise": self.normalise}
        write_json(folder / "model.json", document)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raise `RunError` where it is missing or broken."""
        try:
            document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            head_type: type[Head] = resolve(document["head"], HEADS, "head")
            return cls(
                fusion=document["fusion"],
                head=head_type.load(folder),
                normalise=document["normalise"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                "a run needs a sound head", f"{folder}: {error}", "fit the run again"
            ) from error

    def _fuse(self, features: Features) -> Fused:
        return fuse(features, self.fusion, normalise=self.normalise)
