"""L2-regularised logistic regression of all classes, and all folds, at once.

C is scikit-learn's: the objective is C × sum of log-losses + |w|²/2 with a free offset. Without
a given C, the one of nine with the best out-of-fold score is chosen: they are fitted from the
middle outwards, each from its neighbour's solution, until the best has worse ones on both sides.
The choice for a fold uses the scores of the other folds only.

Where the features have prompts of the labels, weights around those that the prompts suggest (w - c
in place of w in the objective) are tried beside those around 0, and chosen in the same way: with
few rows they are much better, with many no worse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor

from mmfeat.fit.heads.base import Head
from mmfeat.fit.heads.options import option
from mmfeat.fit.heads.solvers.logistic import PATH, Solver
from mmfeat.fit.heads.solvers.prompted import prompted_weights
from mmfeat.fit.heads.space import Choice, Range, Space
from mmfeat.fit.heads.torch.device import DEVICES
from mmfeat.runs.folds.inside import share_out
from mmfeat.types import UNKNOWN, BoolArray, FloatArray, Fused, IntArray, Matrix, Targets

PATH_TOLERANCE = 1e-3  # while C is chosen; the chosen C is then solved to `tolerance`
START = 3  # the point that is tried first; its neighbours follow, up to the best one's
MARGINS = {"log-loss": 1, "ap": 2}  # worse points on each side: log-loss has one minimum
INNER_FOLDS = 3


@dataclass(kw_only=True)
class LogReg(Head):
    """Logistic regression; options as declared below.

    `tolerance` is relative to the objective.
    """

    name: ClassVar[str] = "logreg"
    folds_together: ClassVar[bool] = True
    streams: ClassVar[bool] = True
    ignored: ClassVar[dict[str, set[str]]] = {"C": {"choose", "criterion", "prompts"}}

    C: float | None = option(
        None,
        "inverse regularisation strength as in scikit-learn; None chooses it",
        low=1e-12,
        high=1e12,
    )
    choose: str = option(
        "shared",
        "whether C is shared by all classes or chosen per class",
        choices=("shared", "per-class"),
    )
    criterion: str = option("log-loss", "criterion that chooses C", choices=("log-loss", "ap"))
    prompts: bool = option(
        True, "try weights near prompts of the labels as well, where the features have prompts"
    )
    tolerance: float = option(3e-9, "relative tolerance of the objective", low=1e-12, high=1)
    max_steps: int = option(500, "maximum number of L-BFGS iterations", low=1, high=1e9)
    device: str = option("auto", "device that fits the head", choices=DEVICES)

    _weights = np.empty((0, 0), dtype=np.float32)
    _offsets = np.empty(0, dtype=np.float32)
    _costs = np.empty((0, 0))

    def fit_folds(
        self, fused: Fused[Matrix], y: Targets, splits: Sequence[IntArray]
    ) -> Iterator[Self]:
        """Yield one fitted copy per split; all of them are solved together."""
        if self.C is None and len(splits) < 2:  # no other fold to choose by
            yield from super().fit_folds(fused, y, splits)
            return
        heads = [replace(self) for _ in splits]
        for head, rows in zip(heads, splits, strict=True):
            head._describe(fused, y, rows)
        inside = np.zeros((len(y), len(splits)), dtype=bool)
        for fold, rows in enumerate(splits):
            inside[rows, fold] = True
        learnable = np.stack([head.learnable_ for head in heads])  # (folds, k)
        fold_of, class_of = np.nonzero(learnable)
        if not len(fold_of):
            for head in heads:
                head._costs = np.zeros((learnable.shape[1], len(PATH)))
                yield head
            return
        solver = self._solver(fused.values, y, inside, fold_of=fold_of, class_of=class_of)
        if self.C is not None:
            solver.solve(np.full(len(fold_of), self.C), self.tolerance)
        else:
            self._solve_best(solver, heads, learnable, self._centres(fused, y, splits, learnable))
        for fold, head in enumerate(heads):
            head._take(solver.w[:, torch.from_numpy(fold_of == fold)])
            yield head

    def _solver(self, x: Matrix, y: Targets, inside: BoolArray, **problems: IntArray) -> Solver:
        return Solver(x, y, inside, **problems, device=self.device, max_steps=self.max_steps)

    def _centres(
        self, fused: Fused[Matrix], y: Targets, splits: Sequence[IntArray], learnable: BoolArray
    ) -> list[FloatArray]:
        """Where the ridge may hold the weights of `learnable` (folds, k): at 0, and at prompts.

        Each is of shape (d, p).
        """
        zero = np.zeros((fused.values.shape[1], int(learnable.sum())), dtype=np.float32)
        if fused.prompts is None or not self.prompts:
            return [zero]
        found = [
            prompted_weights(
                fused.values,
                y[:, known],
                rows,
                prompts=fused.prompts[known],
                blocks=fused.blocks,
                seed=self.seed,
            )
            for rows, known in zip(splits, learnable, strict=True)
            if known.any()
        ]
        return [zero, np.hstack(found)]

    def _solve_best(
        self,
        solver: Solver,
        heads: Sequence[Self],
        learnable: BoolArray,
        centres: Sequence[FloatArray],
    ) -> None:
        """Solve every fold and class, `learnable` (folds, k), as is best elsewhere.

        The points of the path are tried around each centre: point i + 9 j is C i around centre j.
        """
        path, (fold_of, class_of) = solver.path(), np.nonzero(learnable)
        costs = np.full((*learnable.shape, len(centres) * len(path)), np.inf)
        walked: dict[int, Tensor] = {}
        for number, centre in enumerate(centres):
            solver.start(centre)
            first = number * len(path)
            found = self._walk(solver, learnable, costs[..., first : first + len(path)])
            walked |= {first + point: w for point, w in found.items()}
        for head, cost in zip(heads, costs, strict=True):
            head._costs = cost
        chosen = self._best_elsewhere(costs)[fold_of, class_of]
        if len(centres) > 1:
            solver.start(np.where(chosen < len(path), *centres))
        for problem, point in enumerate(chosen):
            solver.w[:, problem] = walked[point][:, problem]
        solver.solve(path[chosen % len(path)], self.tolerance)

    def _walk(
        self, solver: Solver, learnable: BoolArray, costs: NDArray[np.float64]
    ) -> dict[int, Tensor]:
        """Solve at points of the path, which gives `costs`, (folds, k, points), and weights.

        The path is walked from its middle, in both directions, until the best is inside.
        """
        path, (fold_of, class_of) = solver.path(), np.nonzero(learnable)
        walked: dict[int, Tensor] = {}
        point, margin = START, MARGINS[self.criterion]
        while True:
            solver.solve(np.full(len(fold_of), path[point]), PATH_TOLERANCE)
            costs[..., point] = 0.0
            costs[fold_of, class_of, point] = solver.cost(self.criterion)
            walked[point] = solver.w.clone()
            best = self._best_elsewhere(costs)
            lowest, highest = min(walked), max(walked)
            if lowest > 0 and best.min() < lowest + margin:
                solver.w, point = walked[lowest].clone(), lowest - 1
            elif highest < len(path) - 1 and best.max() > highest - margin:
                solver.w, point = walked[highest].clone(), highest + 1
            else:
                return walked

    def _best_elsewhere(self, costs: NDArray[np.float64]) -> NDArray[np.int64]:
        """The best point for each fold and class by the costs of the other folds, (folds, k)."""
        others = (np.delete(costs, fold, axis=0) for fold in range(len(costs)))
        return np.stack([self._choice(other) for other in others])

    def search_space(self) -> Space:
        """How the head chooses C; C itself only if it is given."""
        if self.C is not None:
            return {"C": Range(self.C, 0.1, 1000.0, log=True)}
        return {
            "choose": Choice(self.choose, ("shared", "per-class")),
            "criterion": Choice(self.criterion, ("log-loss", "ap")),
        }

    def for_refit(self, folds: Sequence[Self]) -> Self:
        """Return this head with the C that is best over all folds."""
        head = replace(self)
        if self.C is None:
            head._costs = np.sum([fold._costs for fold in folds], axis=0)
        return head

    def _choice(self, costs: NDArray[np.float64]) -> NDArray[np.int64]:
        """The best point of the path for each class, (k,), by costs of (folds, k, points)."""
        total = costs.sum(axis=0)
        if self.choose == "shared":
            total = np.broadcast_to(total.sum(axis=0), total.shape)
        best: NDArray[np.int64] = total.argmin(axis=1)
        return best

    def _fit(self, fused: Fused[Matrix], y: Targets, rows: IntArray) -> None:
        if fused.prompts is not None:
            fused = replace(fused, prompts=fused.prompts[self.learnable_])
        x, groups = fused.values, fused.groups
        inside = np.zeros((len(x), 1), dtype=bool)
        inside[rows] = True
        if isinstance(x, np.ndarray) and len(rows) < len(x):
            x, y, groups = x[rows], y[rows], None if groups is None else groups[rows]
            fused, inside = replace(fused, values=x, groups=groups), inside[rows]
            rows = np.arange(len(rows))
        elif len(rows) < len(x):
            y = np.where(inside, y, np.uint8(UNKNOWN))  # C is not chosen by other rows either
        classes = np.arange(y.shape[1])
        solver = self._solver(x, y, inside, fold_of=np.zeros_like(classes), class_of=classes)
        if self.C is not None:
            strengths = np.full(len(classes), self.C)
        else:
            path = solver.path()
            chosen = self._chosen(fused, y, rows, n_points=len(path))
            strengths = path[chosen % len(path)]
            if (chosen >= len(path)).any():
                learnable = np.ones((1, len(classes)), dtype=bool)
                centres = self._centres(fused, y, [rows], learnable)
                solver.start(np.where(chosen < len(path), *centres))
        solver.solve(strengths, self.tolerance)
        self._take(solver.w)

    def _chosen(
        self, fused: Fused[Matrix], y: Targets, rows: IntArray, *, n_points: int
    ) -> NDArray[np.int64]:
        """The point of `_solve_best` for each learnable class."""
        if self._costs.size:
            kept: NDArray[np.int64] = self._choice(self._costs[None])[self.learnable_]
            return kept
        groups = None if fused.groups is None else fused.groups[rows]
        n_units = len(rows) if groups is None else len(np.unique(groups))
        if n_units < 2 * INNER_FOLDS:
            return np.full(y.shape[1], n_points // 2)
        parts = share_out(len(rows), groups, n_parts=INNER_FOLDS, seed=self.seed)
        splits = [rows[parts != part] for part in range(INNER_FOLDS)]
        inner = self.fit_folds(fused, y, splits)
        return self._choice(np.stack([head._costs for head in inner]))

    def _take(self, w: Tensor) -> None:
        self._weights = w[:-1].cpu().numpy().copy()
        self._offsets = w[-1].cpu().numpy().copy()

    def _predict(self, x: FloatArray) -> FloatArray:
        logits = torch.from_numpy(x @ self._weights + self._offsets)
        return logits.sigmoid().numpy()

    def _save_state(self, folder: Path) -> None:
        state: dict[str, NDArray[Any]] = {
            "weights": self._weights,
            "offsets": self._offsets,
            "costs": self._costs,
        }
        save_file(state, folder / "weights.safetensors")

    def _load_state(self, folder: Path) -> None:
        state = load_file(folder / "weights.safetensors")
        self._weights, self._offsets = state["weights"], state["offsets"]
        self._costs = state["costs"]
