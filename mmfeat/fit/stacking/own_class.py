"""Logistic regression of each class on its own scores, shrunk towards a map that all share.

A class has few parameters: a weight for the logit of each source's probability, one for the logit
of their mean, and an offset.

1. One map is fitted to the scores of all classes together.
2. Each class starts from it, and leaves it as far as its own rows say: the distance costs like a
   normal prior around the shared map. A class with few positives keeps the shared map.

Weights between classes, which a head on all scores has, fit noise where positives are few.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from safetensors.numpy import load_file, save_file

from mmfeat.core.numeric import sigmoid
from mmfeat.core.parallel import thread_map
from mmfeat.fit.fusion.scores import float32_logits
from mmfeat.fit.heads.base import Head
from mmfeat.fit.heads.options import option
from mmfeat.types import UNKNOWN, Float64Array, FloatArray, Fused, IntArray, Targets

STEPS, HALVINGS = 50, 30  # of Newton's method, and of one of its steps
TOLERANCE = 1e-9  # of the objective, relative
HELD_NUMBERS = 2**23  # of all tables, 64 MiB; larger ones are made anew in every step
LOOSE = 1e-3  # the precision around 0 of the shared map: next to none

Table = tuple[Float64Array, Targets]  # inputs with a column of ones, (m, p + 1); targets, (m,)
OfTable = Callable[[Table], Any]


@dataclass(kw_only=True)
class OwnClass(Head):
    """Reads probabilities, a block of k columns per source; options as declared below."""

    name: ClassVar[str] = "own-class"

    shrinkage: float = option(
        3.0, "how strongly a class is held at the map that all share", low=1e-6, high=1e12
    )

    _weights = np.empty((0, 0), dtype=np.float32)  # (p, classes)
    _offsets = np.empty(0, dtype=np.float32)

    def _fit(self, fused: Fused[Any], y: Targets, rows: IntArray) -> None:
        inputs, y = self._inputs(fused.values[rows]), y[rows]
        ones = np.ones((len(rows), 1))

        def table_of(label: int) -> Table:
            known = y[:, label] != UNKNOWN
            columns = inputs[:, :, label].T.astype(np.float64)
            return np.hstack([columns, ones])[known], y[known, label]

        if y.size * (len(inputs) + 1) <= HELD_NUMBERS:
            table_of = cache(table_of)
        labels = range(y.shape[1])
        start = np.zeros(len(inputs) + 1)

        def over_all(work: OfTable) -> Sequence[Any]:
            return thread_map(lambda label: work(table_of(label)), labels)

        shared = minimise(over_all, start, LOOSE)

        def own(label: int) -> Float64Array:
            table = table_of(label)
            return minimise(lambda work: [work(table)], shared, self.shrinkage)

        found = np.stack(thread_map(own, labels), axis=1).astype(np.float32)
        self._weights, self._offsets = found[:-1], found[-1]

    def _inputs(self, probabilities: FloatArray) -> FloatArray:
        """Of shape (p, n, classes): the logits of each source, and of the mean of several."""
        parts = np.split(probabilities, np.cumsum(self.blocks_)[:-1], axis=1)
        learned = [part[:, self.learnable_] for part in parts]
        if len(learned) > 1:
            learned.append(np.mean(learned, axis=0, dtype=np.float32))
        return np.stack([float32_logits(part) for part in learned])

    def _predict(self, x: FloatArray) -> FloatArray:
        z = (self._inputs(x) * self._weights[:, None]).sum(axis=0) + self._offsets
        return sigmoid(z.astype(np.float64)).astype(np.float32)

    def _save_state(self, folder: Path) -> None:
        state = {"weights": self._weights, "offsets": self._offsets}
        save_file(state, folder / "weights.safetensors")

    def _load_state(self, folder: Path) -> None:
        state = load_file(folder / "weights.safetensors")
        self._weights, self._offsets = state["weights"], state["offsets"]


def minimise(
    over_all: Callable[[OfTable], Sequence[Any]], prior: Float64Array, precision: float
) -> Float64Array:
    """Weights (p + 1,) of least log-loss plus `precision` × squared distance to `prior` / 2.

    The log-loss is the sum over the rows of all tables, on which ``over_all(work)`` calls `work`;
    Newton's method, with steps halved until they gain.
    """

    def objective(w: Float64Array) -> float:
        def loss(table: Table) -> float:
            x, y = table
            z = x @ w
            return float((np.logaddexp(0, z) - y * z).sum())

        return float(sum(over_all(loss)) + precision * np.square(w - prior).sum() / 2)

    w, value = prior, objective(prior)
    for _ in range(STEPS):
        slope, curvature = precision * (w - prior), precision * np.eye(len(w))
        for of_slope, of_curvature in over_all(partial(_derivatives, w)):
            slope, curvature = slope + of_slope, curvature + of_curvature
        step = np.linalg.solve(curvature, slope)
        before = value
        for _ in range(HALVINGS):
            if (value := objective(w - step)) <= before:
                break
            step = step / 2
        else:
            return w
        w = w - step
        if before - value <= TOLERANCE * before:
            break
    return w


def _derivatives(w: Float64Array, table: Table) -> tuple[Float64Array, Float64Array]:
    """The slope (p + 1,) and curvature (p + 1, p + 1) of a table's log-loss."""
    x, y = table
    p = sigmoid(x @ w)
    return x.T @ (p - y), (x.T * (p * (1 - p))) @ x
