"""L2-regularised logistic regression of all classes, and all folds, at once.

C is scikit-learn's: the objective is C × sum of log-losses + |w|²/2 with a free offset. Without
a given C, nine values are fitted, each warm-started from the previous one, and the value with the
best out-of-fold score is chosen. The choice for a fold uses the scores of the other folds only.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor

from mmfeat.core.memory import give_back_freed
from mmfeat.errors import FitError, counted
from mmfeat.fit.heads.base import Head
from mmfeat.fit.heads.options import option
from mmfeat.fit.heads.solvers.lbfgs import Problems, ProblemsInMemory, gram_matrix, logits, minimise
from mmfeat.fit.heads.solvers.lbfgs_streamed import StreamedProblems, streamed_gram
from mmfeat.fit.heads.space import Choice, Range, Space
from mmfeat.fit.heads.torch.device import DEVICES, choose_device
from mmfeat.metrics.known import rates
from mmfeat.runs.folds.inside import share_out
from mmfeat.types import UNKNOWN, FloatArray, Fused, IntArray, Matrix, Stream, Targets

log = logging.getLogger(__name__)

# For rows of length 1; for other rows it is divided by their mean squared length.
PATH = np.logspace(-1, 3, 9)
PATH_TOLERANCE = 1e-3  # while C is chosen; the chosen C is then solved to `tolerance`
WORSE_POINTS = 2  # the path ends after this many points that are worse for every fold
INNER_FOLDS = 3
BLOCK_PROBLEMS = 128  # that are solved together, which bounds the memory


@dataclass(kw_only=True)
class LogReg(Head):
    """Logistic regression; options as declared below.

    `tolerance` is relative to the objective.
    """

    name: ClassVar[str] = "logreg"
    folds_together: ClassVar[bool] = True
    streams: ClassVar[bool] = True
    ignored: ClassVar[dict[str, set[str]]] = {"C": {"choose", "criterion"}}

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
        solver = Solver(fused.values, y, inside, fold_of=fold_of, class_of=class_of, head=self)
        if self.C is not None:
            solver.solve(np.full(len(fold_of), self.C), self.tolerance)
        else:
            path = solver.path()
            costs = np.full((*learnable.shape, len(path)), np.inf)
            costs[~learnable] = 0.0
            kept = []
            for point, C in enumerate(path):
                solver.solve(np.full(len(fold_of), C), PATH_TOLERANCE)
                costs[fold_of, class_of, point] = solver.cost(self.criterion)
                kept.append(solver.w.clone())
                best = [self._choice(np.delete(costs, f, axis=0)) for f in range(len(splits))]
                if np.max(best) <= point - WORSE_POINTS:
                    break  # a larger C takes longest to fit and overfits more
            for fold, head in enumerate(heads):
                head._costs = costs[fold]
            chosen = np.stack(
                [self._choice(np.delete(costs, fold, axis=0)) for fold in range(len(splits))]
            )[fold_of, class_of]
            for problem, point in enumerate(chosen):
                solver.w[:, problem] = kept[point][:, problem]
            solver.solve(path[chosen], self.tolerance)
        for fold, head in enumerate(heads):
            head._take(solver.w[:, torch.from_numpy(fold_of == fold)])
            yield head

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
        solver = Solver(x, y, inside, fold_of=np.zeros_like(classes), class_of=classes, head=self)
        solver.solve(self._chosen(solver, fused, y, rows), self.tolerance)
        self._take(solver.w)

    def _chosen(
        self, solver: Solver, fused: Fused[Matrix], y: Targets, rows: IntArray
    ) -> NDArray[np.float64]:
        """C for each learnable class."""
        if self.C is not None:
            return np.full(y.shape[1], self.C)
        path = solver.path()
        if not self._costs.size:
            groups = None if fused.groups is None else fused.groups[rows]
            n_units = len(rows) if groups is None else len(np.unique(groups))
            if n_units < 2 * INNER_FOLDS:
                return np.full(y.shape[1], path[len(path) // 2])
            parts = share_out(len(rows), groups, n_parts=INNER_FOLDS, seed=self.seed)
            splits = [rows[parts != part] for part in range(INNER_FOLDS)]
            inner = self.fit_folds(fused, y, splits)
            chosen = self._choice(np.stack([head._costs for head in inner]))
        else:
            chosen = self._choice(self._costs[None])[self.learnable_]
        strengths: NDArray[np.float64] = path[chosen]
        return strengths

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


class Solver:
    """The problems of all folds and classes, a column each, solved in blocks."""

    def __init__(
        self,
        x: Matrix,
        y: Targets,
        inside: NDArray[np.bool_],
        *,
        fold_of: IntArray,
        class_of: IntArray,
        head: LogReg,
    ) -> None:
        device = choose_device(head.device)
        self.x: Tensor | Stream = x if not isinstance(x, np.ndarray) else matrix(x, device)
        self.y = torch.from_numpy(y).to(device)
        self.inside = torch.from_numpy(inside).to(device)
        self.fold_of, self.class_of = torch.from_numpy(fold_of), torch.from_numpy(class_of)
        if isinstance(self.x, Tensor):
            self.gram = gram_matrix(self.x)
        else:
            self.gram = streamed_gram(self.x, device)
        self.max_steps = head.max_steps
        give_back_freed()
        known = rates(y).clip(1e-6, 1 - 1e-6)
        self.w = torch.zeros(x.shape[1] + 1, len(fold_of), device=device)
        self.w[-1] = torch.from_numpy(np.log(known / (1 - known))[class_of])

    def path(self) -> NDArray[np.float64]:
        """The values of C to try, adapted to the scale of the rows."""
        diagonal = self.gram.diagonal().double()
        length = float(diagonal[:-1].sum() / diagonal[-1])  # squared, the mean of the rows
        path: NDArray[np.float64] = PATH / max(length, 1e-30)
        return path

    def solve(self, strength: NDArray[np.float64], tolerance: float) -> None:
        """Move `w` to the minimum for these C, (p,)."""
        ridge = torch.from_numpy(1 / strength).float().to(self.w.device)
        for part in torch.split(torch.arange(len(strength)), BLOCK_PROBLEMS):
            self.w[:, part], done = minimise(
                self._problems(part),
                self.w[:, part],
                ridge[part],
                tolerance=tolerance,
                max_steps=self.max_steps,
            )
            if not bool(done.all()):
                n_left = int((~done).sum())
                log.warning(
                    "%s not at the optimum after %d steps, so scores may be a little worse;"
                    " `--set max_steps=%d` of logreg takes more",
                    counted(n_left, "logistic regression is", "logistic regressions are"),
                    self.max_steps,
                    10 * self.max_steps,
                )
        give_back_freed()  # logits

    def cost(self, criterion: str) -> NDArray[np.float64]:
        """Log-loss (a sum), or minus average precision, of each problem's known left-out rows."""
        costs = []
        for part in torch.split(torch.arange(self.w.shape[1]), BLOCK_PROBLEMS):
            problems = self._problems(part)
            if criterion == "log-loss":
                costs.append(problems.left_out(self.w[:, part]))
            elif isinstance(problems, ProblemsInMemory):
                z = logits(problems.x, self.w[:, part])
                judged = z.masked_fill_(~problems.left, -torch.inf)
                costs.append(-average_precision(judged, (problems.y * problems.left).float()))
            else:
                raise FitError(
                    "average precision sorts all scores of a class",
                    "with --max-memory they are not all in memory",
                    "use --set criterion=log-loss, or leave out --max-memory",
                )
        return torch.cat(costs).double().cpu().numpy()

    def _problems(self, part: Tensor) -> Problems:
        if not isinstance(self.x, Tensor):
            fold_of, class_of = self.fold_of[part], self.class_of[part]
            return StreamedProblems(
                self.x, self.gram, self.y, self.inside, fold_of=fold_of, class_of=class_of
            )
        y, inside = self.y[:, self.class_of[part]], self.inside[:, self.fold_of[part]]
        return ProblemsInMemory(self.x, self.gram, y, inside & (y <= 1))


def matrix(x: FloatArray, device: torch.device) -> Tensor:
    """The rows on the device."""
    return torch.from_numpy(np.ascontiguousarray(x)).to(device)


def average_precision(scores: Tensor, targets: Tensor) -> Tensor:
    """Mean precision at the positives of each column, (n, p) -> (p,); 0 without positives."""
    hits = targets.gather(0, scores.argsort(dim=0, descending=True))
    ranks = torch.arange(1, len(hits) + 1, device=hits.device).unsqueeze(1)
    return (hits * hits.cumsum(dim=0) / ranks).sum(dim=0) / hits.sum(dim=0).clamp(min=1)
