"""All logistic regressions of a head, of every fold and class, solved in blocks."""

from __future__ import annotations

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmfeat.core.bfloat16 import has_bfloat16
from mmfeat.core.memory import give_back_freed
from mmfeat.errors import FitError, counted
from mmfeat.fit.heads.solvers.lbfgs import (
    Problems,
    ProblemsInMemory,
    average_precision,
    minimise,
)
from mmfeat.fit.heads.solvers.lbfgs_streamed import StreamedProblems, streamed_gram
from mmfeat.fit.heads.solvers.products import CoarseProducts, Products
from mmfeat.fit.heads.solvers.scatter import Scatter, gram_matrix
from mmfeat.fit.heads.torch.device import choose_device
from mmfeat.metrics.known import rates
from mmfeat.types import FloatArray, IntArray, Matrix, Stream, Targets

log = logging.getLogger(__name__)

# For rows of length 1; for other rows it is divided by their mean squared length.
PATH = np.logspace(-1, 3, 9)
BLOCK_PROBLEMS = 128  # that are solved together, which bounds the memory
COARSE_TOLERANCE, COARSE_STEPS = 1e-4, 100  # in bfloat16, whose rounding stalls at 1e-6
COARSE_NUMBERS = 1 << 21  # of rows × width, below which rounding them saves no time


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
        device: str,
        max_steps: int,
    ) -> None:
        place = choose_device(device)
        self.x: Products | Stream
        self.coarse: Products | None = None
        if isinstance(x, np.ndarray):
            self.x = Products(torch.from_numpy(np.ascontiguousarray(x)).to(place))
            self.scatter = Scatter.of(gram_matrix(self.x.x))
            if has_bfloat16(place) and x.size >= COARSE_NUMBERS:
                self.coarse = CoarseProducts(self.x.x, self.scatter.mean)
        else:
            self.x, self.scatter = x, Scatter.of(streamed_gram(x, place))
        self.y = torch.from_numpy(y).to(place)
        self.inside = torch.from_numpy(inside).to(place)
        self.fold_of, self.class_of = torch.from_numpy(fold_of), torch.from_numpy(class_of)
        self.max_steps = max_steps
        give_back_freed()
        known = rates(y).clip(1e-6, 1 - 1e-6)
        self.w = torch.zeros(x.shape[1] + 1, len(fold_of), device=place)
        self.w[-1] = torch.from_numpy(np.log(known / (1 - known))[class_of])
        self.centre = torch.zeros_like(self.w[:-1])  # at which the ridge holds the weights

    def start(self, centre: FloatArray) -> None:
        """Hold the weights at `centre`, (d, p), and start there."""
        self.centre = torch.from_numpy(centre).to(self.w)
        self.w[:-1] = self.centre

    def path(self) -> NDArray[np.float64]:
        """The values of C to try, adapted to the scale of the rows."""
        path: NDArray[np.float64] = PATH / max(self.scatter.squared_length, 1e-30)
        return path

    def solve(self, strength: NDArray[np.float64], tolerance: float) -> None:
        """Move `w` to the minimum for these C, (p,): coarsely first, where that is faster."""
        ridge = torch.from_numpy(1 / strength).float().to(self.w.device)
        for part in torch.split(torch.arange(len(strength)), BLOCK_PROBLEMS):
            done = torch.zeros(len(part), dtype=torch.bool)
            if self.coarse is not None:
                least = max(tolerance, COARSE_TOLERANCE)
                steps = min(self.max_steps, COARSE_STEPS)
                done = self._minimise(self.coarse, part, ridge, tolerance=least, max_steps=steps)
            if tolerance < COARSE_TOLERANCE or not bool(done.all()):
                done = self._minimise(
                    self.x, part, ridge, tolerance=tolerance, max_steps=self.max_steps
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

    def _minimise(
        self,
        x: Products | Stream,
        part: Tensor,
        ridge: Tensor,
        *,
        tolerance: float,
        max_steps: int,
    ) -> Tensor:
        """Move this part of `w`; tell which problems are solved, see `minimise`."""
        self.w[:, part], done = minimise(
            self._problems(part, x),
            self.w[:, part],
            ridge[part],
            tolerance=tolerance,
            max_steps=max_steps,
        )
        return done

    def cost(self, criterion: str) -> NDArray[np.float64]:
        """Log-loss (a sum), or minus average precision, of each problem's known left-out rows."""
        costs = []
        for part in torch.split(torch.arange(self.w.shape[1]), BLOCK_PROBLEMS):
            problems = self._problems(part, self.x)
            if criterion == "log-loss":
                costs.append(problems.left_out(self.w[:, part]))
            elif isinstance(problems, ProblemsInMemory):
                z = problems.products.logits(self.w[:, part])
                judged = z.masked_fill_(~problems.left, -torch.inf)
                costs.append(-average_precision(judged, (problems.y * problems.left).float()))
            else:
                raise FitError(
                    "average precision sorts all scores of a class",
                    "with --max-memory they are not all in memory",
                    "use --set criterion=log-loss, or leave out --max-memory",
                )
        return torch.cat(costs).double().cpu().numpy()

    def _problems(self, part: Tensor, x: Products | Stream) -> Problems:
        if not isinstance(x, Products):
            fold_of, class_of = self.fold_of[part], self.class_of[part]
            return StreamedProblems(
                x,
                self.scatter,
                self.y,
                self.inside,
                fold_of=fold_of,
                class_of=class_of,
                centre=self.centre[:, part],
            )
        y, inside = self.y[:, self.class_of[part]], self.inside[:, self.fold_of[part]]
        return ProblemsInMemory(x, self.scatter, y, inside & (y <= 1), self.centre[:, part])
