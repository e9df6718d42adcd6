"""What a search may try for an option of a head: a range of numbers, or some choices.

Each holds the value to start from, which is always one of those to try.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; widened where `start` lies outside.

    `log` spreads them evenly over orders of magnitude, and `whole` keeps to integers. A range
    over orders of magnitude cannot hold 0: there it starts at its lower end.
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
    """One of `among`, to which `start` is added where it is missing."""

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
