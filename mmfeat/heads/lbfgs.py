"""L-BFGS on many logistic regressions at once, one matrix product per direction.

Every column of the targets is a problem of its own: minimise over w and b

    sum over rows i of m_i log(1 + exp(-s_i (x_i·w + b)))  +  |w|² / 2C,   s = ±1, m = 0 or 1.

The Hessian of each is at most XᵀX/4 + I/C, which is the same for all of them (Böhning and
Lindsay 1988). Its Cholesky factor is the metric that L-BFGS starts from.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

HISTORY = 10
ARMIJO = 1e-4
NOISE = 3e-7  # of a float32 sum, relative


class Problems:
    """Rows `x`, (n, d), with targets `y` and masks `m`, (n, p), one column per problem."""

    def __init__(self, x: Tensor, gram: Tensor, y: Tensor, m: Tensor) -> None:
        self.x, self.gram, self.y, self.m = x, gram, y, m

    def metric(self, ridge: Tensor) -> Tensor:
        """The Cholesky factor of the bound, for the smallest ridge of the problems."""
        bound = self.gram.double() / 4
        jitter = 1e-6 * bound.diagonal().mean()  # the Gram matrix is rounded to float32
        diagonal = torch.full((len(bound),), float(ridge.min()) + float(jitter), dtype=bound.dtype)
        diagonal[-1] = jitter
        factor: Tensor = torch.linalg.cholesky(bound + torch.diag(diagonal.to(bound.device)))
        return factor.float()

    def part(self, columns: Tensor) -> Problems:
        """The chosen problems alone."""
        return Problems(self.x, self.gram, self.y[:, columns], self.m[:, columns])

    def logits(self, w: Tensor) -> Tensor:
        """(d + 1, p) -> (n, p); the last row of `w` is the offset."""
        z: Tensor = torch.addmm(w[-1], self.x, w[:-1])
        return z

    def value(self, z: Tensor, w: Tensor, ridge: Tensor) -> Tensor:
        """The objective of every problem, (p,)."""
        loss = torch.nn.functional.softplus(z) - z * self.y
        total: Tensor = (loss * self.m).sum(dim=0) + ridge / 2 * w[:-1].square().sum(dim=0)
        return total

    def slope(self, z: Tensor, w: Tensor, ridge: Tensor) -> Tensor:
        """The gradient of every problem, (d + 1, p)."""
        rest = (z.sigmoid() - self.y) * self.m
        return torch.cat([self.x.T @ rest + ridge * w[:-1], rest.sum(dim=0, keepdim=True)])


def gram_matrix(x: Tensor) -> Tensor:
    """XᵀX with a column of ones added to X, of shape (d + 1, d + 1)."""
    total = x.sum(dim=0, keepdim=True)
    count = torch.full((1, 1), float(len(x)), device=x.device)
    return torch.cat([torch.cat([x.T @ x, total.T], dim=1), torch.cat([total, count], dim=1)])


def minimise(
    problems: Problems,
    start: Tensor,
    ridge: Tensor,
    *,
    tolerance: float,
    max_steps: int,
    history: Sequence[tuple[Tensor, Tensor, Tensor]] = (),
) -> tuple[Tensor, Tensor]:
    """Minimise from `start`, (d + 1, p), with `ridge` = 1/C, (p,).

    Returns the weights and, per problem, whether half its Newton decrement fell below
    `tolerance` times the objective.
    """
    w, factor = start.clone(), problems.metric(ridge)
    z = problems.logits(w)
    value, slope = problems.value(z, w, ridge), problems.slope(z, w, ridge)
    pairs = list(history)
    active = torch.ones_like(value, dtype=torch.bool)
    for number in range(max_steps):
        step = direction(slope, pairs, factor)
        decrement = -(step * slope).sum(dim=0)
        active = active & (decrement > 2 * tolerance * value.clamp(min=1e-6))
        if not active.any():
            break
        if 2 * int(active.sum()) < len(active):  # go on with the unfinished half alone
            left = active.nonzero().squeeze(1)
            history = [(c[:, left], t[:, left], i[left]) for c, t, i in pairs]
            w[:, left], done = minimise(
                problems.part(left),
                w[:, left],
                ridge[left],
                tolerance=tolerance,
                max_steps=max_steps - number,
                history=history,
            )
            active[left] = ~done
            break
        step = step * active
        z_step = problems.logits(step)
        length = torch.ones_like(value)
        for _ in range(20):
            moved = problems.value(z + length * z_step, w + length * step, ridge)
            short = moved <= value - ARMIJO * length * decrement + NOISE * value
            if bool((short | ~active).all()):
                break
            length = torch.where(short | ~active, length, length / 2)
        else:
            moved = problems.value(z + length * z_step, w + length * step, ridge)
        w, z = w + length * step, z + length * z_step
        value, before = moved, slope
        slope = problems.slope(z, w, ridge)
        change, turn = length * step, slope - before
        bend = (change * turn).sum(dim=0)
        # A problem that stands still, or whose curvature is lost in rounding, adds no pair.
        inverse = torch.where(active & (bend > 1e-12), 1 / bend.clamp(min=1e-12), 0.0)
        pairs = [*pairs[-(HISTORY - 1) :], (change, turn, inverse)]
    return w, ~active


def direction(slope: Tensor, pairs: list[tuple[Tensor, Tensor, Tensor]], factor: Tensor) -> Tensor:
    """The two-loop recursion (Nocedal and Wright, algorithm 7.4) for all problems at once."""
    rest = slope.clone()
    shares = []
    for change, turn, inverse in reversed(pairs):
        share = inverse * (change * rest).sum(dim=0)
        rest -= share * turn
        shares.append(share)
    step = torch.cholesky_solve(rest, factor)
    for (change, turn, inverse), share in zip(pairs, reversed(shares), strict=True):
        step += change * (share - inverse * (turn * step).sum(dim=0))
    return -step
