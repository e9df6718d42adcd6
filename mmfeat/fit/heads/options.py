"""Checks of options that several heads share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmfeat.errors import ConfigError

if TYPE_CHECKING:
    import torch


def check_choice(key: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise `ConfigError` unless `value` is one of `choices`."""
    if value not in choices:
        raise ConfigError(
            f"{key} is one of {', '.join(choices)}", f"{value!r} is not", "choose one"
        )


def check_range(key: str, value: float, low: float, high: float) -> None:
    """Raise `ConfigError` unless low <= value <= high."""
    if not low <= value <= high:
        raise ConfigError(
            f"{key} lies between {low} and {high}", f"it is {value}", f"choose another {key}"
        )


def choose_device(name: str) -> torch.device:
    """Where to train; raise `ConfigError` for cuda on a machine without."""
    import torch  # noqa: PLC0415 - heads without torch check their options here as well

    check_choice("device", name, ("auto", "cpu", "cuda"))
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda needs a GPU", "torch sees none", "use --set device=cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
