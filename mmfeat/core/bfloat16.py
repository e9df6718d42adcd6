"""Whether a device multiplies bfloat16 matrices natively; both stages choose by it."""

from __future__ import annotations

import torch

PROCESSORS = ("avx512_bf16", "amx_bf16")


def has_bfloat16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are faster than in float32 on the device."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    found = torch.cpu.get_capabilities()
    return device.type == "cpu" and any(found.get(name, False) for name in PROCESSORS)
