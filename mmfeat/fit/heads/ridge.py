"""Ridge regression in closed form: a first look at what features are worth, in a second.

All penalties share one eigendecomposition of the rows' scatter. The score of a row that is left
out follows from its leverage, without another fit (Allen 1974, PRESS); of rows in groups, parts of
whole groups are left out, whose sums are subtracted. Each class takes the penalty with the smallest
error on rows left out, and a logistic map of those scores gives its probabilities (Platt 1999).
Where labels are unknown, the scatter of all rows stands for that of a class's known rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor

from mmfeat.core.numeric import logit
from mmfeat.core.parallel import thread_map
from mmfeat.decide.calibration.logistic import logistic
from mmfeat.fit.heads.base import Head
from mmfeat.fit.heads.options import option
from mmfeat.fit.heads.solvers.scatter import Scatter, gram_matrix
from mmfeat.fit.heads.space import Choice, Range, Space
from mmfeat.fit.heads.streaming import in_order
from mmfeat.fit.heads.torch.device import DEVICES, choose_device
from mmfeat.metrics.known import of_known
from mmfeat.runs.folds.inside import share_out
from mmfeat.types import Float64Array, FloatArray, Fused, IntArray, Matrix, Targets

PENALTIES = np.logspace(-3, 2, 11)  # in mean eigenvalues of the scatter
GROUP_PARTS = 5  # that are left out in turn, where rows have groups
MOST_ROWS, MOST_CELLS = 1 << 15, 1 << 22  # rows, and rows × classes, that are left out
SMALLEST = 1e-3  # of 1 - leverage: a row that alone has its direction has a leverage of 1


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
        x, device = fused.values, choose_device(self.device)
        penalties = PENALTIES if self.penalty is None else np.array([self.penalty])
        parts = self._parts(fused.groups, rows)
        sums = [sums_of(x, y, part, device) for part in parts]
        total = sums[0] if len(sums) == 1 else sum(sums[1:], sums[0])
        fits = Fits(total, penalties)
        judges = self._judges(rows, y.shape[1])
        scores, truth = [], []
        for part, own in zip(parts, sums, strict=True):
            without = fits if own is total else Fits(total - own, penalties)
            judged = np.intersect1d(part, judges, assume_unique=True)
            for at, block in in_order(x, judged):
                values, targets = torch.from_numpy(block).to(device), y[judged[at]]
                found = without.scores(values)
                if own is total:
                    found = without.leave_each_out(found, values, targets)
                scores.append(found.cpu().numpy())
                truth.append(targets)
        self._take(fits, np.concatenate(scores, axis=1), np.concatenate(truth))

    def _parts(self, groups: IntArray | None, rows: IntArray) -> list[IntArray]:
        """Rows that are left out together, each part ascending; one part: each row alone."""
        if groups is None or len(np.unique(groups[rows])) in (1, len(rows)):
            return [rows]
        part_of = share_out(len(rows), groups[rows], n_parts=GROUP_PARTS, seed=self.seed)
        return [rows[part_of == part] for part in range(part_of.max() + 1)]

    def _judges(self, rows: IntArray, n_classes: int) -> IntArray:
        """The rows whose scores choose the penalties and give the maps, ascending."""
        n_judges = max(1, min(MOST_ROWS, MOST_CELLS // n_classes))
        if n_judges >= len(rows):
            return rows
        chosen = np.random.default_rng(self.seed).choice(rows, n_judges, replace=False)
        return np.sort(chosen)

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


@dataclass(frozen=True)
class Sums:
    """What least squares needs of rows: sums over products of their numbers and a 1, in float64.

    `gram` is (d + 1, d + 1); `seen` and `hits`, (d + 1, k), are the sums of the rows in which a
    class is known, and of its positives.
    """

    gram: Tensor
    seen: Tensor
    hits: Tensor

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.gram + other.gram, self.seen + other.seen, self.hits + other.hits)

    def __sub__(self, other: Sums) -> Sums:
        return Sums(self.gram - other.gram, self.seen - other.seen, self.hits - other.hits)


def sums_of(x: Matrix, y: Targets, rows: IntArray, device: torch.device) -> Sums:
    """The sums of the chosen `rows`, ascending, of `x`, (n, d), and `y`, (n, k)."""
    width, n_classes = x.shape[1] + 1, y.shape[1]
    shapes = ((width, width), (width, n_classes), (width, n_classes))
    total = Sums(*(torch.zeros(shape, dtype=torch.float64, device=device) for shape in shapes))
    for at, block in in_order(x, rows):
        values, targets = torch.from_numpy(block).to(device), torch.from_numpy(y[rows[at]])
        known, positive = ((targets <= 1).to(values), (targets == 1).to(values))
        seen, hits = (torch.cat([values.T @ m, m.sum(dim=0)[None]]) for m in (known, positive))
        total.gram.add_(gram_matrix(values))
        total.seen.add_(seen)
        total.hits.add_(hits)
    return total


class Fits:
    """Ridge regressions of all classes with all `penalties`, of centred rows and targets."""

    def __init__(self, sums: Sums, penalties: Float64Array) -> None:
        self.scatter, seen = Scatter.of(sums.gram), sums.seen
        counts = seen[-1].clamp(min=1)
        self.rates = sums.hits[-1] / counts
        self.share = counts / self.scatter.n_rows  # of rows in which a class is known
        cross = sums.hits[:-1] - seen[:-1] * self.rates
        self.cross = self.scatter.vectors.T @ cross / self.share
        values, scale = self.scatter.values, self.scatter.values.mean().clamp(min=1e-30)
        self.shrinkage = 1 / (values + torch.from_numpy(penalties[:, None]).to(values) * scale)

    def scores(self, x: Tensor) -> Tensor:
        """Scores above the rate of each class, (penalties, n, k), for rows (n, d)."""
        slopes = self.shrinkage.T[:, :, None] * self.cross[:, None]  # (d, penalties, k)
        found = (x - self.scatter.mean.float()) @ (self.scatter.vectors @ slopes.flatten(1)).float()
        return found.reshape(len(x), *slopes.shape[1:]).movedim(1, 0)

    def leave_each_out(self, scores: Tensor, x: Tensor, y: Targets) -> Tensor:
        """The scores of fitted rows `x`, with targets `y`, by fits without the row itself."""
        rotated = (x - self.scatter.mean.float()) @ self.scatter.vectors.float()
        leverage = 1 / self.scatter.n_rows + self.shrinkage.float() @ rotated.square().T
        leverage = leverage[:, :, None] / self.share.float()
        above = torch.from_numpy(y).to(x) - self.rates.float()
        return (scores - leverage * above) / (1 - leverage).clamp(min=SMALLEST)

    def weights(self, points: IntArray) -> Float64Array:
        """The weights of each class, (d, k), with the penalty of that number, (k,)."""
        chosen = self.shrinkage[torch.from_numpy(points).to(self.shrinkage.device)]
        weights: Float64Array = (self.scatter.vectors @ (chosen.T * self.cross)).cpu().numpy()
        return weights


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
