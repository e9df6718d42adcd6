"""L-BFGS on many logistic regressions at once, one matrix product per direction.

Every column of the targets is a problem of its own: minimise over w and b

    sum over rows i of m_i log(1 + exp(-s_i (x_i·w + b)))  +  |w - c|² / 2C,   s = ±1, m = 0 or 1,

where c are given weights: 0, or what is known of the class before its rows.

The Hessian of each is about c XᵀX + I/C, where c is its mean of p(1 - p). One eigendecomposition of
XᵀX gives the inverse of all of them, which is the initial metric of L-BFGS.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from mmfeat.fit.heads.solvers.products import Products
from mmfeat.fit.heads.solvers.scatter import Scatter

HISTORY = 10
ARMIJO = 1e-4
NEAR = 1e-4  # of the objective: more steps change probabilities in the fourth digit, if at all
BLOCK_NUMBERS = 1 << 18  # rows × problems of a block, so that its arrays stay in the cache


@dataclass(frozen=True)
class Point:
    """Weights (d + 1, p), the last row of them the offset, with value (p,) and slope (d + 1, p)."""

    w: Tensor
    value: Tensor
    slope: Tensor
    curvature: Tensor  # the sum of p(1 - p), (p,)
    z: Tensor | None = None  # logits (n, p), where they fit into memory


class Line(ABC):
    """The line from a point along a step, (d + 1, p)."""

    @abstractmethod
    def value(self, length: Tensor) -> Tensor:
        """The value (p,) after `length` (p,) of the step."""

    @abstractmethod
    def end(self) -> Point:
        """The point of the last call of `value`."""


class Problems(ABC):
    """Columns of targets to fit, with the scatter of the rows.

    The ridge holds the weights of each problem at its column of `centre`, (d, p). `noise` is how
    far rounding may move the value between two points of a line, relative to it: a step that
    seems to raise the value by less is taken.
    """

    noise: ClassVar[float]
    scatter: Scatter
    centre: Tensor

    @abstractmethod
    def at(self, w: Tensor, ridge: Tensor) -> Point:
        """Value and slope at `w`, with `ridge` (p,)."""

    @abstractmethod
    def along(self, point: Point, step: Tensor, ridge: Tensor) -> Line:
        """The line from `point` along `step`."""

    @abstractmethod
    def part(self, columns: Tensor) -> Self:
        """The chosen problems alone."""

    @abstractmethod
    def left_out(self, w: Tensor) -> Tensor:
        """The summed log-loss of the known rows that the masks leave out, (p,)."""


class ProblemsInMemory(Problems):
    """Rows of `products`, with targets `y`, uint8, and masks `m`, bool, (n, p): a column a problem.

    A row whose target is unknown is outside the mask. Two arrays of the size of the logits are
    held: at a point and at the end of a step.
    """

    noise = 3e-7  # of a float32 sum; the logits along a line share their rounding

    def __init__(
        self, products: Products, scatter: Scatter, y: Tensor, m: Tensor, centre: Tensor
    ) -> None:
        self.products, self.scatter = products, scatter
        self.y, self.m, self.centre = y, m, centre

    @property
    def left(self) -> Tensor:
        """The known rows that the masks leave out, (n, p)."""
        return ~self.m & (self.y <= 1)

    def part(self, columns: Tensor) -> ProblemsInMemory:
        """The chosen problems alone."""
        y, m, centre = self.y[:, columns], self.m[:, columns], self.centre[:, columns]
        return ProblemsInMemory(self.products, self.scatter, y, m, centre)

    def at(self, w: Tensor, ridge: Tensor) -> Point:
        """Value and slope at `w`."""
        z = self.products.logits(w)
        return Point(w, self.value(z, w, ridge), *self.slope(z, w, ridge), z)

    def along(self, point: Point, step: Tensor, ridge: Tensor) -> Line:
        """One product with the rows is enough for every length."""
        return _LineInMemory(self, point, step, ridge)

    def left_out(self, w: Tensor) -> Tensor:
        """The log-loss of the rows that the masks leave out."""
        total, left, z = torch.zeros_like(w[0]), self.left, self.products.logits(w)
        for rows in self._blocks():
            total += log_loss(z[rows], self.y[rows]).mul_(left[rows]).sum(dim=0)
        return total

    def value(self, z: Tensor, w: Tensor, ridge: Tensor) -> Tensor:
        """The objective of every problem, (p,)."""
        total = ridge / 2 * (w[:-1] - self.centre).square().sum(dim=0)
        for rows in self._blocks():
            total += log_loss(z[rows], self.y[rows]).mul_(self.m[rows]).sum(dim=0)
        return total

    def slope(self, z: Tensor, w: Tensor, ridge: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient of every problem, (d + 1, p), and its sum of p(1 - p), (p,)."""
        across = torch.zeros_like(w[:-1].T, memory_format=torch.contiguous_format)
        total, curvature = torch.zeros_like(w[0]), torch.zeros_like(w[0])
        for rows in self._blocks():
            y = self.y[rows]
            p = wrongness(z[rows], y).sigmoid_().mul_(self.m[rows])
            curvature += torch.addcmul(p, p, p, value=-1).sum(dim=0)
            rest = p.addcmul_(p, y.to(p), value=-2)
            across += self.products.slope_of(rest, rows)
            total += rest.sum(dim=0)
        slope = ridge * (w[:-1] - self.centre) + across.T
        return torch.cat([slope, total[None]]), curvature

    def _blocks(self) -> Iterator[slice]:
        n_rows, n_problems = self.y.shape
        size = max(1, BLOCK_NUMBERS // n_problems)
        return (slice(start, start + size) for start in range(0, n_rows, size))


class _LineInMemory(Line):
    def __init__(self, problems: ProblemsInMemory, point: Point, step: Tensor, ridge: Tensor):
        assert point.z is not None, "points in memory have logits"
        self._problems, self._ridge = problems, ridge
        self._start, self._w, self._step = point.z, point.w, step
        self._z = problems.products.further(point.z, step)
        self._length = torch.ones_like(step[0])  # of the step to `_z`

    def value(self, length: Tensor) -> Tensor:
        torch.lerp(self._start, self._z, length / self._length, out=self._z)
        self._length = length
        self._value = self._problems.value(self._z, self._end(), self._ridge)
        return self._value

    def end(self) -> Point:
        w = self._end()
        return Point(w, self._value, *self._problems.slope(self._z, w, self._ridge), self._z)

    def _end(self) -> Tensor:
        return torch.addcmul(self._w, self._length, self._step)


def wrongness(z: Tensor, y: Tensor) -> Tensor:
    """The logit of the wrong answer, (n, p): z where the target is 0, -z where it is 1.

    Small losses keep their digits so: softplus(z) - z has none left at 16.
    """
    return torch.addcmul(z, z, y.to(z), value=-2)


def log_loss(z: Tensor, y: Tensor) -> Tensor:
    """Log-loss of each logit, (n, p), given its target."""
    return torch.nn.functional.softplus(wrongness(z, y))


def average_precision(scores: Tensor, targets: Tensor) -> Tensor:
    """Mean precision at the positives of each column, (n, p) -> (p,); 0 without positives."""
    hits = targets.gather(0, scores.argsort(dim=0, descending=True))
    ranks = torch.arange(1, len(hits) + 1, device=hits.device).unsqueeze(1)
    return (hits * hits.cumsum(dim=0) / ranks).sum(dim=0) / hits.sum(dim=0).clamp(min=1)


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
    `tolerance` times the objective, or below `NEAR` times: separable classes at a large C stop
    there, as float32 rounds, and no number of steps takes them further.
    """
    point = problems.at(start.clone(), ridge)
    pairs = list(history)
    active = torch.ones_like(point.value, dtype=torch.bool)
    for number in range(max_steps):
        step = direction(point, pairs, problems.scatter, ridge)
        decrement = -(step * point.slope).sum(dim=0)
        active = active & (decrement > 2 * tolerance * point.value.clamp(min=1e-6))
        if not active.any():
            break
        if 2 * int(active.sum()) < len(active):  # continue with the unfinished problems only
            left, w = active.nonzero().squeeze(1), point.w
            history = [(c[:, left], t[:, left], i[left]) for c, t, i in pairs]
            del point, pairs  # the unfinished problems have their own
            w[:, left], done = minimise(
                problems.part(left),
                w[:, left],
                ridge[left],
                tolerance=tolerance,
                max_steps=max_steps - number,
                history=history,
            )
            active[left] = ~done
            return w, ~active
        step = step * active
        line = problems.along(point, step, ridge)
        length = torch.ones_like(point.value)
        for _ in range(20):
            aim = point.value - ARMIJO * length * decrement + problems.noise * point.value
            short = (line.value(length) <= aim) | ~active
            if bool(short.all()):
                break
            length = torch.where(short, length, length / 2)
        else:
            line.value(length)
        before, point = point.slope, line.end()
        del line  # free its logits before the next line allocates its own
        change, turn = length * step, point.slope - before
        bend = (change * turn).sum(dim=0)
        # A problem that did not move, or whose curvature is lost in rounding, adds no pair.
        inverse = torch.where(active & (bend > 1e-12), 1 / bend.clamp(min=1e-12), 0.0)
        pairs = [*pairs[-(HISTORY - 1) :], (change, turn, inverse)]
    near = decrement <= 2 * NEAR * point.value.clamp(min=1e-6)
    return point.w, ~active | near


def direction(
    point: Point, pairs: list[tuple[Tensor, Tensor, Tensor]], scatter: Scatter, ridge: Tensor
) -> Tensor:
    """The two-loop recursion (Nocedal and Wright, algorithm 7.4) for all problems at once."""
    rest = point.slope.clone()
    shares = []
    for change, turn, inverse in reversed(pairs):
        share = inverse * (change * rest).sum(dim=0)
        rest -= share * turn
        shares.append(share)
    step = scatter.solve(rest, point.curvature.clamp(min=1e-3), ridge)
    for (change, turn, inverse), share in zip(pairs, reversed(shares), strict=True):
        step += change * (share - inverse * (turn * step).sum(dim=0))
    return -step
