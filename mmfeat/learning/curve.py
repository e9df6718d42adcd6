"""A learning curve: estimates over the number of rows, and what more rows would give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

Interval = tuple[float, float]

MOST_NAMED = 3  # classes that gain most


@dataclass(frozen=True, kw_only=True)
class Point:
    """The objective where heads learn from so many rows.

    Attributes
    ----------
    n_trained
        The rows that a head learned from, the mean over folds and samples.
    n_samples
        How many samples of that size were drawn.
    value, interval
        The objective on all held-out rows, the mean over the samples, and its 95 % interval.
    """

    n_trained: float
    n_samples: int
    value: float
    interval: Interval


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What more rows add to the objective, or to F1 of a class, with its 95 % interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What the power law gives for `n_rows` rows of a table, of which heads learn `n_trained`.

    `gain` is what that is more than now. Its interval is the narrower one: which rows judge makes
    all estimates higher or lower alike.
    """

    n_rows: int
    n_trained: float
    value: float
    interval: Interval
    gain: Gain


@dataclass(frozen=True, kw_only=True)
class ClassCurve:
    """F1 of a class at every point, and what it gains by the next rows.

    `interval` is that of the last of the `values`. `gain` is None where they do not rise by more
    than chance.
    """

    label: str
    support: int
    values: tuple[float, ...]
    interval: Interval
    gain: Gain | None


@dataclass(frozen=True, kw_only=True)
class LearningCurve:
    """What a run reaches with fewer rows, and what it would reach with more.

    Attributes
    ----------
    n_rows
        Of the table; a head of a fold learns from `points[-1].n_trained` of them.
    points
        From the smallest sample to all rows, which is the run's own `nested`.
    rise
        What the last point is above the first, with its interval.
    forecasts
        At 2 and 4 times the rows; empty where the rise may be chance.
    n_next, gain
        What so many more rows in the table are worth; None where the rise may be chance.
    line
        The law from the first point to the last forecast; empty where there is none.
    classes
        Classes with positives enough, those first that gain most.
    """

    run: str
    objective: str
    n_rows: int
    points: tuple[Point, ...]
    rise: Gain
    forecasts: tuple[Forecast, ...]
    n_next: int
    gain: Gain | None
    line: tuple[Forecast, ...]
    classes: tuple[ClassCurve, ...]

    @property
    def verdict(self) -> str:
        """What the next rows are worth, in a sentence."""
        first, last = self.points[0], self.points[-1]
        if self.gain is None:
            return (
                "the curve does not rise by more than chance: from"
                f" {first.n_trained:,.0f} to {last.n_trained:,.0f} rows {self.objective} changes by"
                f" {_told(self.rise)}; nothing is said of more rows"
            )
        named = [each.label for each in self.classes[:MOST_NAMED] if each.gain is not None]
        if not named:
            who = ""
        elif len(named) == 1:
            who = f"; the class {named[0]} gains most"
        else:
            who = f"; the classes {', '.join(named[:-1])} and {named[-1]} gain most"
        return f"the next {self.n_next:,} rows are worth {_told(self.gain)}{who}"

    def to_json(self) -> dict[str, Any]:
        """Give the fields as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        fields: dict[str, Any] = dict(document)
        fields["points"] = tuple(Point(**_pairs(each)) for each in fields["points"])
        for name in ("forecasts", "line"):
            fields[name] = tuple(
                Forecast(**{**_pairs(each), "gain": Gain(**_pairs(each["gain"]))})
                for each in fields[name]
            )
        fields["classes"] = tuple(
            ClassCurve(
                **{
                    **_pairs(each),
                    "values": tuple(each["values"]),
                    "gain": each["gain"] and Gain(**_pairs(each["gain"])),
                }
            )
            for each in fields["classes"]
        )
        for name in ("rise", "gain"):
            fields[name] = fields[name] and Gain(**_pairs(fields[name]))
        return cls(**fields)


def _pairs(document: Mapping[str, Any]) -> dict[str, Any]:
    low, high = document["interval"]
    return {**document, "interval": (low, high)}


def _told(gain: Gain) -> str:
    low, high = gain.interval
    return f"{gain.value:+.3f} ({low:.3f} to {high:.3f})"
