"""What one fit of stacked heads makes: a head per source, and the stacker of their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mmfeat.fit.heads.base import Head
from mmfeat.fit.stacking.stacker import Stacker


@dataclass(frozen=True)
class FittedModel:
    """Fitted heads by source, and the fitted stacker of their scores."""

    heads: dict[str, Head]
    stacker: Stacker

    def save(self, folder: Path) -> None:
        """Write a folder per source and, where it learns, one of the stacker."""
        for source, head in self.heads.items():
            head.save(folder / source)
        self.stacker.save(folder / "decision")

    @classmethod
    def load(cls, folder: Path, heads: Mapping[str, Head], stacker: Stacker) -> Self:
        """Read what `save` wrote of such heads and such a stacker."""
        return cls(
            {source: type(head).load(folder / source) for source, head in heads.items()},
            stacker.load(folder / "decision"),
        )
