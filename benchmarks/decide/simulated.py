"""Made-up tables with a known truth: scores of heads that need no fit, and features to learn from.

The score of a label is that of a calibrated head that sees a normal number, one higher by 1.2 to
2.8 where the label is true, so that the F1 of every threshold is known; several heads see numbers
that correlate. Rows come alone, or in groups of five of which seven in ten rows are copies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from mmfeat.decide.thresholds import Thresholds
from mmfeat.fit.held_out import folds_of_few
from mmfeat.types import Float64Array, FloatArray, IntArray, Targets

N_FOLDS = 5
GROUP, FRESH = 5, 0.3  # rows of a group, and the share of them that are no copies
N_FEATURES, N_STRONG = 64, 8
N_JUDGED = 30_000


@dataclass(frozen=True)
class Case:
    """One kind of table."""

    n_rows: int
    n_labels: int
    rare: bool
    grouped: bool

    @property
    def rates(self) -> Float64Array:
        """How frequent each label is."""
        return np.geomspace(0.02 if self.rare else 0.15, 0.5, self.n_labels)

    @property
    def n_folds(self) -> int:
        """How many a fit has by default, up to 1,000 rows."""
        return folds_of_few(self.n_rows, self.n_rows // GROUP if self.grouped else self.n_rows)

    def sources(self, rng: np.random.Generator) -> tuple[IntArray, IntArray | None]:
        """For each row the draw it shows, and its group."""
        if not self.grouped:
            return np.arange(self.n_rows), None
        groups = np.arange(self.n_rows) // GROUP
        fresh = rng.random(self.n_rows) < FRESH
        return np.where(fresh, np.arange(self.n_rows), groups * GROUP), groups


def separations(n_labels: int) -> Float64Array:
    """By how much the number that a head sees is higher where a label is true."""
    order = np.random.default_rng(0).permutation(n_labels)
    return np.linspace(1.2, 2.8, n_labels)[order]


def draw_scores(
    case: Case, rng: np.random.Generator, n_heads: int, correlation: float
) -> tuple[list[FloatArray], Targets, IntArray | None]:
    """Calibrated scores of several heads, (n, k) each, targets, and groups."""
    shape, means = (case.n_rows, case.n_labels), separations(case.n_labels)
    targets = (rng.random(shape) < case.rates).astype(np.uint8)
    common = means * targets + np.sqrt(correlation) * rng.normal(size=shape)
    shown, groups = case.sources(rng)
    scores = []
    for _ in range(n_heads):
        seen = common + np.sqrt(1 - correlation) * rng.normal(size=shape)
        logits = np.log(case.rates / (1 - case.rates)) + means * seen - means**2 / 2
        scores.append((1 / (1 + np.exp(-logits[shown]))).astype(np.float32))
    return scores, targets[shown], groups


def true_value(case: Case, thresholds: Thresholds) -> float:
    """Macro-F1 of thresholds on infinitely many rows of `draw_scores`."""
    inside, means = np.clip(thresholds, 1e-9, 1 - 1e-9), separations(case.n_labels)
    logits = np.log(inside / (1 - inside)) - np.log(case.rates / (1 - case.rates))
    at = logits / means + means / 2
    right, wrong = case.rates * norm.sf(at - means), (1 - case.rates) * norm.sf(at)
    return float(np.mean(2 * right / (case.rates + right + wrong)))


def deal(n_rows: int, groups: IntArray | None, rng: np.random.Generator) -> IntArray:
    """Folds of about equal size that keep groups whole."""
    member = np.arange(n_rows) if groups is None else groups
    return (rng.permutation(int(member.max()) + 1) % N_FOLDS)[member]


class Features:
    """A distribution of features and labels, of which all heads of a case learn."""

    def __init__(self, case: Case) -> None:
        rng = np.random.default_rng(1)
        strength = np.where(np.arange(N_FEATURES) < N_STRONG, 1.0, 0.1)
        weights = rng.normal(size=(N_FEATURES, case.n_labels)) * strength[:, None]
        self.case, self.weights = case, weights * 2.5 / np.linalg.norm(weights, axis=0)
        logits = rng.normal(size=(20_000, N_FEATURES)) @ self.weights
        self.offsets = -np.quantile(
            logits + rng.logistic(size=logits.shape), 1 - case.rates, axis=0
        )
        self.offsets = self.offsets.diagonal().copy()
        judged = Case(N_JUDGED, case.n_labels, case.rare, grouped=False)
        self.x, self.y, _ = self.draw(judged, np.random.default_rng(99))

    def draw(
        self, case: Case, rng: np.random.Generator
    ) -> tuple[FloatArray, Targets, IntArray | None]:
        """Features (n, 64), targets (n, k), and groups."""
        x = rng.normal(size=(case.n_rows, N_FEATURES)).astype(np.float32)
        noise = rng.logistic(size=(case.n_rows, case.n_labels))
        targets = (x @ self.weights + noise > -self.offsets).astype(np.uint8)
        shown, groups = case.sources(rng)
        return x[shown], targets[shown], groups
