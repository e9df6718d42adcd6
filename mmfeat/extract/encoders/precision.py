"""The device, and a precision that is fast and safe on it."""

from __future__ import annotations

import os

import torch

from mmfeat.config import ExtractSettings, choices_of
from mmfeat.core.bfloat16 import has_bfloat16
from mmfeat.errors import EncoderError, did_you_mean

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str) -> torch.device:
    """Resolve ``auto`` to the best device; raise `EncoderError` for an unavailable one.

    Each process that torchrun started uses the GPU of its ``LOCAL_RANK``.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    try:
        device = torch.device(name)
        float(torch.zeros(1, device=device))  # the device meta holds no numbers
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise EncoderError(
            "--device names a device that torch can use here",
            f"{name!r}: {str(error).splitlines()[0]}",
            "use --device auto or cpu",
        ) from error
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """Resolve ``auto``: bf16 where the hardware has it, else fp16 on a GPU and fp32 on a CPU."""
    choices = choices_of(ExtractSettings, "precision")
    if name not in choices:
        raise EncoderError(
            f"--precision is one of {', '.join(choices)}",
            f"{name!r} is not",
            did_you_mean(name, choices, "use auto"),
        )
    if name == "fp16" and device.type == "cpu":
        raise EncoderError(
            "fp16 needs a GPU", "the device is the CPU", "use --precision auto, bf16 or fp32"
        )
    if name != "auto":
        return name
    if has_bfloat16(device):
        return "bf16"
    return "fp16" if device.type == "cuda" else "fp32"
