from __future__ import annotations

import pytest
import torch

from mmfeat.fit.heads.torch.dropout import Dropout


@pytest.mark.parametrize("share", [0.1, 0.5, 0.6, 0.99])
def test_the_share_is_dropped_and_the_mean_stays(share: float) -> None:
    torch.manual_seed(0)
    out = Dropout(share)(torch.ones(499, 1001))
    dropped = (out == 0).float().mean().item()
    assert dropped == pytest.approx(share, abs=1 / 256)
    assert out.mean().item() == pytest.approx(1, abs=0.05)
    assert len(out.unique()) == 2


def test_every_place_is_dropped_by_itself() -> None:
    torch.manual_seed(0)
    dropout = Dropout(0.5)
    dropped = torch.stack([dropout(torch.ones(16)) == 0 for _ in range(4000)]).float()
    assert dropped.mean(dim=0).sub(0.5).abs().max() < 0.04
    assert torch.corrcoef(dropped.T).fill_diagonal_(0).abs().max() < 0.08


def test_off_outside_of_training_and_without_a_share() -> None:
    rows = torch.randn(3, 5)
    assert torch.equal(Dropout(0.5).eval()(rows), rows)
    assert torch.equal(Dropout(0.0)(rows), rows)


def test_gradients_pass_where_numbers_did() -> None:
    torch.manual_seed(0)
    rows = torch.ones(64, 64, requires_grad=True)
    out = Dropout(0.6)(rows)
    out.sum().backward()
    assert rows.grad is not None
    assert torch.equal(rows.grad, out.detach())
