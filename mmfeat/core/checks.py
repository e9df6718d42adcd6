"""Checks of single options, with one wording for all commands and heads."""

from __future__ import annotations

from collections.abc import Iterable

from mmfeat.errors import ConfigError


def check_choice(option: str, value: str, choices: Iterable[str]) -> None:
    """Raise `ConfigError` unless `value` is one of `choices`; `option` names it in the message."""
    valid = tuple(choices)
    if value not in valid:
        raise ConfigError(
            f"{option} is one of {', '.join(valid)}", f"{value!r} is not", "choose one of them"
        )


def check_range(option: str, value: float, low: float, high: float) -> None:
    """Raise `ConfigError` unless low <= value <= high; `option` names it in the message."""
    if not low <= value <= high:
        raise ConfigError(
            f"{option} lies between {low} and {high}", f"it is {value}", f"choose another {option}"
        )
