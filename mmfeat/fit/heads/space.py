"""The values that a search may try for an option: a range of numbers, or some choices.

Both hold the start value, which is always among the values to try.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; widened where `start` lies outside.

    `log` spreads them evenly over orders of magnitude, and `whole` restricts them to integers. A
    logarithmic range cannot contain 0; its lower end replaces a start of 0.
    """

    start: float
    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        start = self.low if self.log and self.start <= 0 else self.start
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "low", min(self.low, start))
        object.__setattr__(self, "high", max(self.high, start))


@dataclass(frozen=True)
class Choice:
    """One of `among`; `start` is added if it is missing."""

    start: Any
    among: tuple[Any, ...]

    def __post_init__(self) -> None:
        if self.start not in self.among:
            object.__setattr__(self, "among", (self.start, *self.among))


Space = dict[str, Range | Choice]


def setting_of(value: Any) -> str:
    """Write a value as `--set` takes it: what `parse_option` reads."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple):
        return "-".join(str(part) for part in value)
    return str(value)
