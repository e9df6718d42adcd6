"""What one fit of a model makes: a fitted head per source, and the combiner of their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mmfeat.heads.base import Head
from mmfeat.late import Combiner, borrow
from mmfeat.types import FeatureRows, FloatArray


@dataclass(frozen=True)
class Member:
    """Fitted heads by source, and the combiner of their scores; None where there is one source."""

    heads: dict[str, Head]
    combiner: Combiner | None

    @property
    def decision(self) -> Head | None:
        """The head that the combiner has learned, where it has one."""
        return None if self.combiner is None else self.combiner.decision

    def combine(self, scores: dict[str, FloatArray], features: FeatureRows) -> FloatArray:
        """Give probabilities, (n, k), from those of each source for the rows of `features`."""
        if self.combiner is None:
            (alone,) = scores.values()
            return alone
        return self.combiner.predict(borrow(scores, features))

    def save(self, folder: Path) -> None:
        """Write a folder per source and, where it is learned, one of the decision."""
        for source, head in self.heads.items():
            head.save(folder / source)
        if self.combiner is not None:
            self.combiner.save(folder / "decision")

    @classmethod
    def load(cls, folder: Path, heads: Mapping[str, Head], combiner: Combiner | None) -> Self:
        """Read what `save` wrote of such heads and such a combiner."""
        return cls(
            {source: type(head).load(folder / source) for source, head in heads.items()},
            combiner and combiner.load(folder / "decision"),
        )
