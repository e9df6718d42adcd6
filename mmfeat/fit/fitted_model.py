"""What one fit of a model makes: a fitted head per source, and the stacker of their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mmfeat.fit.heads.base import Head
from mmfeat.fit.stacking import Stacker, fill_missing_modality
from mmfeat.types import FeatureRows, FloatArray


@dataclass(frozen=True)
class FittedModel:
    """Fitted heads by source, and the stacker of their scores; None where there is one source."""

    heads: dict[str, Head]
    stacker: Stacker | None

    @property
    def decision(self) -> Head | None:
        """The head that the stacker has learned, where it has one."""
        return None if self.stacker is None else self.stacker.decision

    def combine(self, scores: dict[str, FloatArray], features: FeatureRows) -> FloatArray:
        """Give probabilities, (n, k), from those of each source for the rows of `features`."""
        if self.stacker is None:
            (alone,) = scores.values()
            return alone
        return self.stacker.predict(fill_missing_modality(scores, features))

    def save(self, folder: Path) -> None:
        """Write a folder per source and, where it is learned, one of the decision."""
        for source, head in self.heads.items():
            head.save(folder / source)
        if self.stacker is not None:
            self.stacker.save(folder / "decision")

    @classmethod
    def load(cls, folder: Path, heads: Mapping[str, Head], stacker: Stacker | None) -> Self:
        """Read what `save` wrote of such heads and such a stacker."""
        return cls(
            {source: type(head).load(folder / source) for source, head in heads.items()},
            stacker and stacker.load(folder / "decision"),
        )
