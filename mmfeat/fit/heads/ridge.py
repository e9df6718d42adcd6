"""Ridge regression in closed form: a first look at what features are worth, in a second.

All penalties share one eigendecomposition of the rows' scatter. Scores of rows that are left out,
each alone or with its group, follow without another fit (`solvers/left_out.py`). Each class takes
the penalty with the smallest error on rows left out, and a logistic map of those scores gives its
probabilities (Platt 1999).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from mmfeat.core.numeric import logit
from mmfeat.core.parallel import thread_map
from mmfeat.decide.calibration.logistic import logistic
from mmfeat.fit.heads.base import Head
from mmfeat.fit.heads.options import option
from mmfeat.fit.heads.solvers.least_squares import Fits
from mmfeat.fit.heads.solvers.left_out import fit_and_leave_out
from mmfeat.fit.heads.space import Choice, Range, Space
from mmfeat.fit.heads.torch.device import DEVICES, choose_device
from mmfeat.metrics.known import of_known
from mmfeat.types import Float64Array, FloatArray, Fused, IntArray, Matrix, Targets

PENALTIES = np.logspace(-3, 2, 11)  # in mean eigenvalues of the scatter


@dataclass(kw_only=True)
class Ridge(Head):
    """Ridge regression with probabilities; options as declared below."""

    name: ClassVar[str] = "ridge"
    relative_cost: ClassVar[float] = 0.2
    streams: ClassVar[bool] = True
    ignored: ClassVar[dict[str, set[str]]] = {"penalty": {"choose"}}

    penalty: float | None = option(
        None,
        "penalty, in mean eigenvalues of the features' scatter; None chooses it",
        low=1e-6,
        high=1e6,
    )
    choose: str = option(
        "per-class",
        "whether the penalty is chosen per class or shared by all classes",
        choices=("per-class", "shared"),
    )
    device: str = option("auto", "device that fits the head", choices=DEVICES)

    _weights = np.empty((0, 0), dtype=np.float32)
    _offsets = np.empty(0, dtype=np.float32)

    def search_space(self) -> Space:
        """How the head chooses penalties; the penalty itself only if it is given."""
        if self.penalty is not None:
            return {"penalty": Range(self.penalty, 1e-3, 100.0, log=True)}
        return {"choose": Choice(self.choose, ("per-class", "shared"))}

    def _fit(self, fused: Fused[Matrix], y: Targets, rows: IntArray) -> None:
        penalties = PENALTIES if self.penalty is None else np.array([self.penalty])
        fits, scores, truth = fit_and_leave_out(
            fused.values,
            y,
            rows,
            groups=rows if fused.groups is None else fused.groups[rows],
            penalties=penalties,
            seed=self.seed,
            device=choose_device(self.device),
        )
        self._take(fits, scores, truth)

    def _take(self, fits: Fits, scores: FloatArray, truth: Targets) -> None:
        """Choose by scores (penalties, n, k) of rows that were left out."""
        classes = range(truth.shape[1])
        errors = np.array(thread_map(lambda j: errors_of(scores[:, :, j], truth[:, j]), classes))
        if self.choose == "shared":
            errors[:] = errors.sum(axis=0)
        points = errors.argmin(axis=1)
        rates = self.rates_[self.learnable_]
        maps = thread_map(lambda j: map_of(scores[points[j], :, j], truth[:, j], rates[j]), classes)
        scales, offsets = np.array(maps).T
        weights = fits.weights(points) * scales
        self._weights = weights.astype(np.float32)
        self._offsets = (offsets - fits.scatter.mean.cpu().numpy() @ weights).astype(np.float32)

    def _predict(self, x: FloatArray) -> FloatArray:
        return torch.from_numpy(x @ self._weights + self._offsets).sigmoid().numpy()

    def _save_state(self, folder: Path) -> None:
        state: dict[str, NDArray[Any]] = {"weights": self._weights, "offsets": self._offsets}
        save_file(state, folder / "weights.safetensors")

    def _load_state(self, folder: Path) -> None:
        state = load_file(folder / "weights.safetensors")
        self._weights, self._offsets = state["weights"], state["offsets"]


def errors_of(scores: FloatArray, truth: Targets) -> Float64Array:
    """The squared error of a class with each penalty, (penalties,), of scores (penalties, n).

    It is that about the mean, for scores lack the rate of the class.
    """
    rows = np.flatnonzero(truth <= 1)
    if not rows.size:
        return np.zeros(len(scores))
    errors: Float64Array = (truth[rows] - scores[:, rows].astype(np.float64)).var(axis=1)
    return errors


def map_of(scores: FloatArray, truth: Targets, rate: float) -> tuple[float, float]:
    """Scale and offset of the logit of a class by its scores, (n,); of its rate without any use."""
    found, truth = of_known(scores.astype(np.float64), truth)
    spread = float(found.std()) if found.size else 0.0
    if spread > 0:
        scale, offset = logistic(found[:, None] / spread, truth).tolist()
        if scale > 0:
            return scale / spread, offset
    return 0.0, float(logit(np.array([rate]), smallest=1e-6)[0])
