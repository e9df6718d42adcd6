"""What the page says about runs, as it stands in their files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

from markupsafe import Markup

from mmfeat.leaderboard import Entry
from mmfeat.report.commands import commands_of
from mmfeat.runs import Run, RunConfig

DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """An inlined plot with its title and what it shows."""

    title: str
    about: str
    svg: Markup


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """One run: its files, read once, and the commands that repeat it.

    `thresholds` is None where nothing was tuned.
    """

    name: str
    config: RunConfig
    metrics: dict[str, Any]
    thresholds: dict[str, Any] | None
    provenance: dict[str, Any]
    commands: tuple[str, ...]

    @classmethod
    def read(cls, run: Run) -> RunFacts:
        """Read the files of a finished run; raise `RunError` where one is broken."""
        return cls(
            name=run.name,
            config=run.config(),
            metrics=run.metrics(),
            thresholds=run.decision().to_json() if run.has_thresholds else None,
            provenance=run.provenance(),
            commands=commands_of(run),
        )

    def number(self, file: str, *path: str | int) -> Markup:
        """A number of `metrics` or `thresholds` as `<data>`, which names where it stands."""
        value = reduce(lambda part, key: part[key], path, getattr(self, file))
        where = "/".join([self.name, f"{file}.json", *map(str, path)])
        return as_data(value, where=where)


@dataclass(frozen=True, kw_only=True)
class EntryFacts:
    """An entry of the leaderboard, its runs, and the plots of the first of them, if drawn."""

    rank: int
    entry: Entry
    runs: tuple[RunFacts, ...]
    drawings: tuple[Drawing, ...]

    @property
    def anchor(self) -> str:
        """The id of its part of the page."""
        return f"entry-{self.rank}"


def as_data(value: float | None, *, where: str = "", digits: int = DIGITS) -> Markup:
    """A number as `<data>`: exact in its value, rounded in its text; None is n/a."""
    text = "n/a"
    if value is not None:
        text = f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"
    source = Markup(' data-json="{}"').format(where) if where else ""
    exact = "" if value is None else repr(value)
    return Markup('<data value="{}"{}>{}</data>').format(exact, source, text.replace("-", "−"))
