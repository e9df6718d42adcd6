"""The option `device`, which several heads share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmfeat.core.checks import check_choice
from mmfeat.errors import ConfigError

if TYPE_CHECKING:
    import torch


def choose_device(name: str) -> torch.device:
    """Where to train; raise `ConfigError` for cuda on a machine without."""
    import torch  # noqa: PLC0415 - heads without torch check their options here as well

    check_choice("device", name, ("auto", "cpu", "cuda"))
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda needs a GPU", "torch finds none", "use --set device=cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
