"""One place knows which devices multiply bfloat16."""

from __future__ import annotations

import pytest
import torch

from mmfeat.core.bfloat16 import has_bfloat16
from mmfeat.extract.encoders.precision import choose_precision
from mmfeat.fit.heads.mlp import MLP


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, False),
        ({"avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx512_f": True, "avx512_bf16": True}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
    ],
)
def test_both_stages_take_bfloat16_on_the_same_processors(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, bool], expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    cpu = torch.device("cpu")
    assert has_bfloat16(cpu) == expected
    assert (choose_precision("auto", cpu) == "bf16") == expected
    with MLP()._precision(cpu):
        assert torch.is_autocast_enabled("cpu") == expected


def test_other_devices_have_none() -> None:
    assert not has_bfloat16(torch.device("meta"))
