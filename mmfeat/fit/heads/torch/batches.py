"""Batches of torch heads, from rows in memory or from a stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmfeat.fit.heads.streaming import in_memory, in_order, shuffled
from mmfeat.metrics.known import known_cells, rates
from mmfeat.types import FloatArray, IntArray, Matrix, Stream, Targets

BLOCK_ROWS = 512  # that are standardised or scored at a time, which bounds the memory
HELD = 1 << 28  # bytes of float32: more are fused on reading, in every epoch

Batch = tuple[Tensor, Tensor]  # rows (b, d) and targets (b, k), float32: 0, 1 or unknown


class Batches(ABC):
    """Chosen rows with their targets.

    Attributes
    ----------
    masked
        Whether a target of the fit may be unknown.
    """

    masked: bool

    @abstractmethod
    def __len__(self) -> int:
        """The number of rows."""

    @property
    @abstractmethod
    def rates(self) -> Tensor:
        """The share of positives among the known targets of each class, (k,)."""

    @abstractmethod
    def shuffled(self, n_batches: int, draws: torch.Generator) -> Iterator[Batch]:
        """All rows once, in random order, in `n_batches` batches."""

    @abstractmethod
    def in_order(self) -> Iterator[Batch]:
        """All rows once, in a fixed order, in small batches."""


class Source:
    """All rows (n, d) and targets (n, k) of a fit, from which `chosen` makes batches."""

    def __init__(self, x: Matrix, y: Targets, device: torch.device) -> None:
        self._x, self._y, self._device = x, y, device
        self._masked = known_cells(y) is not None
        if in_memory(x):
            self._values = on_device(x, device) if device.type != "cpu" else _OnHost(held(x))
            self._targets = torch.from_numpy(y.astype(np.float32)).to(device)

    def chosen(self, rows: IntArray) -> Batches:
        """Batches of these rows, (m,)."""
        if in_memory(self._x):
            on_device = torch.from_numpy(rows).to(self._device)
            return _InMemory(self._masked, self._values, self._targets, on_device)
        assert not isinstance(self._x, np.ndarray)
        return _Streamed(self._masked, self._x, self._y, np.sort(rows), self._device)


@dataclass(frozen=True)
class _OnHost:
    """Rows of `x`, read on demand: a large matrix that is fused on reading is never held whole."""

    x: Matrix

    def __getitem__(self, rows: Tensor) -> Tensor:
        return torch.from_numpy(self.x[rows.numpy()])


def held(x: Matrix) -> Matrix:
    """`x`, or all its rows where they are few: reading them fuses them once, not in every epoch."""
    n_rows, width = x.shape
    if isinstance(x, np.ndarray) or not x.in_memory or 4 * n_rows * width > HELD:
        return x
    rows: FloatArray = on_device(x, torch.device("cpu")).numpy()
    return rows


def on_device(x: Matrix, device: torch.device) -> Tensor:
    """All rows of `x`, (n, d), on the device."""
    values = torch.empty(x.shape, device=device)
    for at, part in in_order(x, np.arange(len(x))):
        values[at].copy_(torch.from_numpy(part))
    return values


@dataclass(frozen=True)
class _InMemory(Batches):
    masked: bool
    values: Tensor | _OnHost
    targets: Tensor
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def rates(self) -> Tensor:
        targets = self.targets[self.rows]
        if not self.masked:
            return targets.mean(dim=0)
        return (targets == 1).sum(dim=0) / (targets <= 1).sum(dim=0).clamp(min=1)

    def shuffled(self, n_batches: int, draws: torch.Generator) -> Iterator[Batch]:
        order = torch.randperm(len(self.rows), device=self.rows.device, generator=draws)
        for rows in self.rows[order].tensor_split(n_batches):
            yield self.values[rows], self.targets[rows]

    def in_order(self) -> Iterator[Batch]:
        for rows in torch.split(self.rows, BLOCK_ROWS):
            yield self.values[rows], self.targets[rows]


@dataclass(frozen=True)
class _Streamed(Batches):
    masked: bool
    values: Stream
    targets: Targets
    rows: IntArray
    device: torch.device

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def rates(self) -> Tensor:
        return torch.from_numpy(rates(self.targets[self.rows])).float().to(self.device)

    def shuffled(self, n_batches: int, draws: torch.Generator) -> Iterator[Batch]:
        def permute(n: int) -> IntArray:
            order: IntArray = torch.randperm(n, device=draws.device, generator=draws).cpu().numpy()
            return order

        for rows, values in shuffled(self.values, self.rows, n_batches=n_batches, permute=permute):
            yield self._batch(rows, values)

    def in_order(self) -> Iterator[Batch]:
        for at, values in in_order(self.values, self.rows):
            for start in range(0, len(values), BLOCK_ROWS):
                part = slice(start, start + BLOCK_ROWS)
                yield self._batch(self.rows[at][part], values[part])

    def _batch(self, rows: IntArray, values: FloatArray) -> Batch:
        targets = torch.from_numpy(self.targets[rows].astype(np.float32))
        return torch.from_numpy(values).to(self.device), targets.to(self.device)
