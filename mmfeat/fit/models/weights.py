"""The weights of an ensemble, fitted or chosen greedily, and the mean that they make."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from mmfeat.fit.fusion.scores import float32_logits
from mmfeat.metrics.known import known_rows
from mmfeat.metrics.probability import SMALLEST
from mmfeat.metrics.ranking import mean_ap
from mmfeat.types import FloatArray, Targets

Weights = NDArray[np.float64]  # (runs,)

BAGS, STEPS = 10, 15  # of the greedy choice: draws of half of the runs, and runs taken from each
MOST_ROWS = 5000  # that judge it, drawn at random


def mix(parts: FloatArray, weights: Weights, average: str) -> FloatArray:
    """The weighted mean of `parts`, (runs, n, k)."""
    shares = weights[:, None, None].astype(np.float32)
    if average == "probability":
        mixed: FloatArray = (parts * shares).sum(axis=0)
        return mixed.clip(0, 1)
    return _sigmoid((float32_logits(parts) * shares).sum(axis=0))


def _sigmoid(logits: NDArray[Any]) -> NDArray[Any]:
    """In the precision of `logits`, which are at most 15 in size.

    `mmfeat.core.numeric.sigmoid` rounds differently: scores of existing ensembles would change.
    """
    probabilities: NDArray[Any] = 1 / (1 + np.exp(-logits))
    return probabilities


def fit_weights(parts: FloatArray, targets: Targets, *, average: str) -> Weights:
    """Weights (runs,), non-negative with sum 1, that minimise the log-loss: a convex problem.

    `parts` are probabilities of shape (runs, n) and `targets` of shape (n,); unknown ones count
    nowhere.
    """
    known = known_rows(targets)
    if known is not None:
        parts, targets = parts[:, known], targets[known]

    def of_probabilities(weights: Weights) -> tuple[float, Weights]:
        mixed = weights @ told
        return float(-np.log(mixed).mean()), -(told / mixed).mean(axis=1)

    def of_logits(weights: Weights) -> tuple[float, Weights]:
        z = weights @ told
        slope = told @ (_sigmoid(z) - targets) / len(targets)
        return float((np.logaddexp(0, z) - targets * z).mean()), slope

    if average == "logit":
        told, loss = float32_logits(parts).astype(np.float64), of_logits
    else:  # the probability of the observed target
        told = np.where(targets, parts, 1 - parts).clip(SMALLEST, 1).astype(np.float64)
        loss = of_probabilities
    equal = np.full(len(parts), 1 / len(parts))
    found = minimize(
        loss,
        equal,
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * len(parts),
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-9},
    )
    weights: Weights = np.clip(found.x, 0, None)
    weights /= weights.sum()
    return weights if loss(weights)[0] <= loss(equal)[0] else equal


def choose_weights(parts: FloatArray, targets: Targets, *, average: str) -> Weights:
    """Weights (runs,) by greedy selection with replacement, bagged (Caruana et al. 2004).

    Again and again, the run is added with which the mean of the chosen ones has the best mean
    average precision, as long as that gains. This is done for ten random halves of the runs, so
    that no run is chosen for its luck alone. `parts` are probabilities of shape (runs, n, k) and
    `targets` of shape (n, k); unknown ones count nowhere.
    """
    rng, n_runs = np.random.default_rng(0), len(parts)
    if parts.shape[1] > MOST_ROWS:
        rows = np.sort(rng.choice(parts.shape[1], MOST_ROWS, replace=False))
        parts, targets = parts[:, rows], targets[rows]
    weights = np.zeros(n_runs)
    for _ in range(BAGS):
        bag = rng.choice(n_runs, max(2, (n_runs + 1) // 2), replace=False)
        weights[bag] += _greedy(parts[bag], targets, average) / BAGS
    return weights


def _greedy(parts: FloatArray, targets: Targets, average: str) -> Weights:
    counts, best, kept = np.zeros(len(parts)), -1.0, np.full(len(parts), 1 / len(parts))
    for step in range(1, STEPS + 1):
        trials = (counts + np.eye(len(parts))) / step
        values = [mean_ap(mix(parts, shares, average), targets) or 0.0 for shares in trials]
        at = int(np.argmax(values))
        counts[at] += 1
        if values[at] > best:
            best, kept = values[at], counts / step
    return kept
