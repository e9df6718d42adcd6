"""Logistic regression against scikit-learn's at the same objective, and its path of C."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.fit.heads.timing import Data, timed
from mmfeat.fit.heads.logreg import LogReg


def objective(x: np.ndarray, y: np.ndarray, w: np.ndarray, b: float, strength: float) -> float:
    """C × sum of log-losses + |w|²/2 of one class, in float64."""
    z = x @ w + b
    return float(strength * (np.logaddexp(0, z) - z * y).sum() + np.square(w).sum() / 2)


TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)  # of scikit-learn, until it comes as close as we did

SAME = 1e-6  # relative, of two objectives


@dataclass(frozen=True)
class Solution:
    """One class as scikit-learn fitted it: what that took, and how far it is from ours."""

    tolerance: float
    seconds: float
    above: float  # its objective above ours, relative
    from_minimum: float  # largest difference of a probability
    from_ours: float


def solutions(
    x: np.ndarray, y: np.ndarray, strength: float, *, least: float, minimum: np.ndarray, ours: Any
) -> tuple[Solution, Solution]:
    """scikit-learn's at the loosest tolerance that reaches `least`, and at a tenth of it.

    `minimum` and `ours` are the probabilities that it is compared with, (n,).
    """
    reached: list[Solution] = []
    for tolerance in TOLERANCES:
        model = LogisticRegression(C=strength, tol=tolerance, max_iter=10_000)
        seconds, fitted = timed(partial(model.fit, x, y))
        w, b = fitted.coef_[0], float(fitted.intercept_[0])
        found = fitted.predict_proba(x)[:, 1]
        solution = Solution(
            tolerance=tolerance,
            seconds=seconds,
            above=objective(x, y, w, b, strength) / least - 1,
            from_minimum=np.abs(found - minimum).max(),
            from_ours=np.abs(found - ours).max(),
        )
        if reached or solution.above <= SAME:
            reached.append(solution)
        if len(reached) == 2:
            break
    return reached[0], reached[-1]


def bench_logreg(data: Data, repeat: int, n_classes: int) -> str:
    """One C, against scikit-learn on every so many-th class; then the path."""
    x, y = data
    strength, d, k = 10.0, x.shape[1], y.shape[1]
    ours, head = timed(lambda: LogReg(C=strength).fit(x, y, blocks=(d,)), repeat)
    exact = x.astype(np.float64)
    classes = range(0, k, max(1, k // n_classes))
    above, away, theirs = 0.0, 0.0, []
    for label in classes:
        w, b = head._weights[:, label].astype(np.float64), float(head._offsets[label])
        least = objective(exact, y[:, label], w, b, strength)
        newton = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-12)
        minimum = newton.fit(exact, y[:, label]).predict_proba(exact)[:, 1]
        found = 1 / (1 + np.exp(-(exact @ w + b)))
        away = max(away, np.abs(found - minimum).max())
        theirs.append(
            solutions(exact, y[:, label], strength, least=least, minimum=minimum, ours=found)
        )
        best = objective(exact, y[:, label], newton.coef_[0], float(newton.intercept_[0]), strength)
        above = max(above, least / best - 1)
    path, _ = timed(lambda: path_fit(x, y))
    alone = path_only(x, y)
    lines = [
        f"Logistic regression, {x.shape[0]:,} × {d} × {k}, C = {strength:g}",
        "",
        "| | seconds | against mmfeat | objective above | probability from that at the minimum"
        " | from mmfeat's |",
        "|---|---|---|---|---|---|",
        f"| mmfeat | {ours:.2f} | | {above:.1e} above the minimum | {away:.1e} | |",
    ]
    for side in zip(*theirs, strict=True):
        tolerances = [solution.tolerance for solution in side]
        seconds = sum(solution.seconds for solution in side) * k / len(classes)
        lines.append(
            f"| scikit-learn, tol {max(tolerances):g} to {min(tolerances):g} | {seconds:.2f}"
            f" | {seconds / ours:.1f} times"
            f" | {max(solution.above for solution in side):.1e} above mmfeat's"
            f" | {max(solution.from_minimum for solution in side):.1e}"
            f" | {max(solution.from_ours for solution in side):.1e} |"
        )
    return "\n".join(
        [
            *lines,
            f"| mmfeat, 9 C along the path | {alone:.2f} | {alone / ours:.1f} times | | | |",
            f"| mmfeat, path of 9 C with 3 folds, chosen, refitted | {path:.2f} | | | | |",
            "",
            f"scikit-learn was fitted on {len(classes)} of the {k} classes, each in float64,"
            f" scaled to {k}: with the loosest tolerance that reaches our objective to {SAME:g},"
            " and with a tenth of that. Its Newton solver at 1e-12 finds the minimum. Differences"
            " are the largest of any row and class.",
        ]
    )


def path_fit(x: np.ndarray, y: np.ndarray) -> LogReg:
    return LogReg().fit(x, y, blocks=(x.shape[1],))


def path_only(x: np.ndarray, y: np.ndarray) -> float:
    """Seconds for the nine C on all rows, warm-started, without a choice."""
    from mmfeat.fit.heads.logreg import PATH_TOLERANCE  # noqa: PLC0415
    from mmfeat.fit.heads.solvers.logistic import PATH, Solver  # noqa: PLC0415

    def work() -> None:
        classes = np.arange(y.shape[1])
        solver = Solver(
            x,
            y,
            np.ones((len(x), 1), dtype=bool),
            fold_of=np.zeros_like(classes),
            class_of=classes,
            device="auto",
            max_steps=500,
        )
        for C in PATH:
            solver.solve(np.full(y.shape[1], C), PATH_TOLERANCE)

    return timed(work)[0]
