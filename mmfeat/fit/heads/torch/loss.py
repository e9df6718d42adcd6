"""The loss of a batch, whose logits may be those of several members of one network."""

from __future__ import annotations

import torch
from torch import Tensor

from mmfeat.fit.losses import Loss


def mean_loss(loss: Loss, logits: Tensor, targets: Tensor) -> Tensor:
    """The loss in float32; of members, (members, b, k), the mean."""
    logits = logits.float()
    if logits.ndim == 2:
        return loss(logits, targets)
    return torch.stack([loss(member, targets) for member in logits]).mean()
