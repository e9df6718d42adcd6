"""Losses of multilabel heads: (logits, targets) -> scalar, safe for logits of any size.

They only use methods of tensors, so that listing them does not import torch.
Logits have shape (n, k); targets have shape (n, k), in [0, 1] (label smoothing makes them soft).
A loss that is a mean over cells is given those whose target is known, (m,) each, where some are
not; one that needs rows and classes takes `known`, (n, k), instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from mmfeat.core.plugins import Plugin, resolve

if TYPE_CHECKING:
    from torch import Tensor

Loss = Callable[..., "Tensor"]  # of logits and targets

LOSSES: dict[str, Plugin] = {
    "bce": Plugin("torch.nn.functional:binary_cross_entropy_with_logits", "binary cross-entropy"),
    "bce-weighted": Plugin(
        "mmfeat.fit.losses:bce_weighted",
        "cross-entropy with positives of rare classes weighted up to ×20",
    ),
    "focal": Plugin(
        "mmfeat.fit.losses:focal",
        "focal loss, down-weights easy entries, gamma 3 (Lin et al. 2017)",
    ),
    "asymmetric": Plugin(
        "mmfeat.fit.losses:asymmetric",
        "asymmetric loss, gamma 4 and 1, margin 0.05 (Ridnik et al. 2021)",
    ),
    "twoway": Plugin(
        "mmfeat.fit.losses:twoway", "two-way loss, ranks within rows and classes (Kobayashi 2023)"
    ),
}
MAX_POSITIVE_WEIGHT = 20.0
NOTHING = -100.0  # the logit of an entry that is left out of a log-sum-exp


def make_loss(name: str, *, rates: Tensor, smoothing: float = 0.0, masked: bool = False) -> Loss:
    """Return the loss `name` for classes whose shares of positives are `rates`, (k,) in (0, 1).

    `smoothing` s replaces targets y by y (1 − s) + s / 2. Targets above 1 are unknown, and count
    nowhere, if the loss is `masked`. Raises `PluginError` for another name.
    """
    loss: Loss = resolve(name, LOSSES, "loss")
    takes_known = "known" in inspect.signature(loss).parameters
    if name == "bce-weighted":
        weights = ((1 - rates) / rates).clamp(1 / MAX_POSITIVE_WEIGHT, MAX_POSITIVE_WEIGHT)
        loss = partial(bce_weighted, weights=weights)
    if smoothing:
        loss = partial(_smoothed, loss, smoothing)
    return partial(_of_known, loss, takes_known) if masked else loss


def _smoothed(
    loss: Loss, smoothing: float, logits: Tensor, targets: Tensor, **known: Tensor
) -> Tensor:
    return loss(logits, targets * (1 - smoothing) + smoothing / 2, **known)


def _of_known(loss: Loss, takes_known: bool, logits: Tensor, targets: Tensor) -> Tensor:
    known = targets <= 1
    if not known.any():
        return logits.sum() * 0
    if takes_known:
        return loss(logits, targets * known, known=known)
    return loss(logits[known], targets[known])


def bce_weighted(
    logits: Tensor, targets: Tensor, *, weights: Tensor, known: Tensor | None = None
) -> Tensor:
    """Mean binary cross-entropy with positives of each class times `weights`, of shape (k,)."""
    cells = weights * targets * softplus(-logits) + (1 - targets) * softplus(logits)
    return (cells if known is None else cells[known]).mean()


def focal(logits: Tensor, targets: Tensor, *, gamma: float = 3.0) -> Tensor:
    """Mean focal loss, arXiv:1708.02002 eq. 4 without alpha."""
    return asymmetric(logits, targets, gamma_positive=gamma, gamma_negative=gamma, margin=0.0)


def asymmetric(
    logits: Tensor,
    targets: Tensor,
    *,
    gamma_positive: float = 1.0,
    gamma_negative: float = 4.0,
    margin: float = 0.05,
) -> Tensor:
    """Mean asymmetric loss, arXiv:2009.14119 eq. 7: negatives below `margin` cost nothing."""
    negative = (-logits).sigmoid()  # 1 − p, exact where p is near 1
    positive_part = negative**gamma_positive * softplus(-logits)
    if margin:
        shifted = (negative + margin).clamp(max=1.0)
        negative_part = (1 - shifted) ** gamma_negative * -shifted.log()
    else:
        negative_part = logits.sigmoid() ** gamma_negative * softplus(logits)
    return (targets * positive_part + (1 - targets) * negative_part).mean()


def twoway(
    logits: Tensor, targets: Tensor, *, temperature: float = 4.0, known: Tensor | None = None
) -> Tensor:
    """Two-way loss, Kobayashi (CVPR 2023) eq. 7: rank positives above negatives.

    Once within each row and once within each class of the batch; rows and classes without a
    positive are left out. A soft target y stands among the positives with the weight y and among
    the negatives with 1 − y. The scores rank well; they are not calibrated to 0.5.
    """
    positive, negative = targets > 0, targets < 1
    if known is not None:
        positive, negative = positive & known, negative & known
    weakest = (targets.log() - logits / temperature).masked_fill(~positive, NOTHING)
    strongest = ((1 - targets).log() + logits).masked_fill(~negative, NOTHING)
    total = logits.new_zeros(())
    for axis in (0, 1):
        gap = temperature * weakest.logsumexp(axis) + strongest.logsumexp(axis)
        counts = (targets > 0.5).any(axis)
        total = total + (softplus(gap) * counts).sum() / counts.sum().clamp(min=1)
    return total


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), exact for any x."""
    return x.logaddexp(x.new_zeros(()))
