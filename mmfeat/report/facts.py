"""The facts that the page shows about runs, read from their files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import getitem
from typing import Any

from markupsafe import Markup

from mmfeat.compare.board.leaderboard import Entry
from mmfeat.errors import RunError
from mmfeat.report.curves import shown_classes
from mmfeat.runs.commands import commands_of
from mmfeat.runs.config import RunConfig
from mmfeat.runs.run import Run

DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """An inlined plot with its title and description."""

    title: str
    about: str
    svg: Markup


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """One run: its files, read once, and the commands that reproduce it.

    `thresholds` is None if nothing was tuned; `measures` are the names of the metrics over all
    classes; `n_classes` is the number of classes, `shown` those that the page lists.
    """

    name: str
    config: RunConfig
    judged_by: str
    doubt: str | None
    metrics: dict[str, Any]
    thresholds: dict[str, Any] | None
    provenance: dict[str, Any]
    commands: tuple[str, ...]
    measures: tuple[str, ...]
    n_classes: int
    shown: tuple[int, ...]

    @classmethod
    def read(cls, run: Run) -> RunFacts:
        """Read the files of a finished run; raise `RunError` if one is damaged."""
        metrics, thresholds = run.metrics, None
        if run.has_thresholds:
            thresholds = run.decision.to_json()
        try:
            sum(metrics["seconds"].values(), start=metrics["bytes"])  # as the leaderboard does
            measures, classes = metrics["oof"]["at_0.5"].keys(), metrics["oof"]["per_class"]
            shown = shown_classes([row["support"] for row in classes])
            [row["label"] for row in (*classes, *(thresholds or {}).get("per_class", ()))]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _broken(run.name, error) from error
        return cls(
            name=run.name,
            config=run.config,
            judged_by=run.judged_by,
            doubt=run.doubt,
            metrics=metrics,
            thresholds=thresholds,
            provenance=run.provenance,
            commands=commands_of(run),
            measures=tuple(measures),
            n_classes=len(classes),
            shown=shown,
        )

    @property
    def encoders(self) -> str:
        """What gave its features."""
        stores = self.provenance.get("stores", ())
        names = (str((store.get("encoder") or {}).get("name", "unnamed")) for store in stores)
        return ", ".join(dict.fromkeys(names)) or "unnamed"

    def number(self, file: str, *path: str | int) -> Markup:
        """A number of `metrics` or `thresholds` as `<data>`, with its file and path.

        Raises `RunError` if there is none.
        """
        where = "/".join([self.name, f"{file}.json", *map(str, path)])
        try:
            return as_data(reduce(getitem, path, getattr(self, file)), where=where)
        except (LookupError, TypeError, ValueError) as error:
            raise _broken(where, error) from error


@dataclass(frozen=True, kw_only=True)
class EntryFacts:
    """An entry of the leaderboard, its runs, and the plots of the first of them, if drawn."""

    rank: int
    entry: Entry
    runs: tuple[RunFacts, ...]
    drawings: tuple[Drawing, ...]

    @property
    def anchor(self) -> str:
        """The id of its section of the page."""
        return f"entry-{self.rank}"


def _broken(where: str, error: Exception) -> RunError:
    return RunError(
        "a report needs runs with intact files", f"{where}: {error!r}", "fit and tune the run again"
    )


def as_data(value: float | None, *, where: str = "", digits: int = DIGITS) -> Markup:
    """A number as `<data>`: exact in its value, rounded in its text; None is n/a."""
    text = "n/a"
    if value is not None:
        text = f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"
    source = Markup(' data-json="{}"').format(where) if where else ""
    exact = "" if value is None else repr(value)
    return Markup('<data value="{}"{}>{}</data>').format(exact, source, text.replace("-", "−"))
