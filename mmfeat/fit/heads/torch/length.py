"""How long a torch head trains, and at what rate, where its options do not say so."""

from __future__ import annotations

import math
from dataclasses import dataclass

FAR = 100  # epochs: how far the weights of a head on few rows move, at the usual rate


@dataclass(frozen=True)
class Length:
    """The least `epochs`, or the number that gives so many `steps` if that is more, and a `rate`.

    On few rows this would be more than 50 epochs: the head walks 50, at up to twice the rate. It
    moves as far as in twice as many steps, and is as good (benchmarks/fit/heads/few_rows.py).
    """

    epochs: int
    steps: int
    rate: float

    def schedule(
        self, n_batches: int, *, epochs: int | None, rate: float | None
    ) -> tuple[int, float]:
        """The number of epochs of so many batches, and their learning rate; given ones stay."""
        usual = self.rate if epochs else self.rate_for(n_batches, self.epochs_for(n_batches))
        return epochs or self.epochs_for(n_batches), usual if rate is None else rate

    def epochs_for(self, n_batches: int) -> int:
        """The number of epochs of so many batches; 100 of a single one, which 50 do not fit."""
        most = FAR if n_batches == 1 else FAR // 2
        return min(max(self.epochs, math.ceil(self.steps / n_batches)), most)

    def rate_for(self, n_batches: int, epochs: int) -> float:
        """The learning rate of so many epochs."""
        far = min(self.steps, FAR * n_batches)
        return self.rate * min(max(1.0, far / (epochs * n_batches)), 2.0)
