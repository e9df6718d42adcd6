"""Which precision `auto` means on which device."""

from __future__ import annotations

import pytest
import torch

from mmfeat.extract.encoders.precision import choose_precision


@pytest.mark.parametrize(
    ("device", "has_bf16", "wanted"),
    [
        ("cpu", True, "bf16"),
        ("cpu", False, "fp32"),
        ("cuda", True, "bf16"),
        ("cuda", False, "fp16"),
    ],
)
def test_auto_takes_bfloat16_only_where_the_hardware_has_it(
    monkeypatch: pytest.MonkeyPatch, device: str, has_bf16: bool, wanted: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": has_bf16})
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: has_bf16)
    assert choose_precision("auto", torch.device(device)) == wanted
