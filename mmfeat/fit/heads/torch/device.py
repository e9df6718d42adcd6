"""The device that a head is trained on."""

from __future__ import annotations

import torch

from mmfeat.core.checks import check_choice
from mmfeat.errors import ConfigError

DEVICES = ("auto", "cpu", "cuda")


def choose_device(name: str) -> torch.device:
    """Return the device to train on; raise `ConfigError` for cuda on a machine without a GPU."""
    check_choice("device", name, DEVICES)
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda needs a GPU", "torch finds none", "use --set device=cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
