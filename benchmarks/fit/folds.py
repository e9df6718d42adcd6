"""How well folds that keep groups whole are balanced, and what they cost.

    python -m benchmarks.fit.folds

Beside iterative stratification of single rows, of the same targets: the mean and the largest
difference of a class's share in a fold from an equal share, in percentage points, over classes
that are in as many groups as there are folds; and the classes that a fold lacks though they are.
"""

from __future__ import annotations

import time
from itertools import product

import numpy as np

from benchmarks.results import machine, write_section
from mmfeat.runs.folds.stratify import make_folds
from mmfeat.types import IntArray, Targets

N_FOLDS = 5
SIZES = ((100_000, 80, 20_000), (30_000, 18, 6_000), (3_000, 20, 600), (800, 33, 270))
ALIKE = (1.0, 0.0)  # the share of labels that a row has of its group


def main() -> None:
    """Measure every size, and write the table."""
    lines = [
        "## Folds that keep groups whole",
        "",
        f"`python -m benchmarks.fit.folds`; {machine()}",
        "",
        "Sizes of groups are Poisson, but for one group in fifty that is ten times as large."
        " Differences in percentage points, of an equal share of 20 %.",
        "",
        "| rows × labels, groups | labels of the group | s | rows: mean, largest | groups: mean,"
        " largest | lacking |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for (n_rows, n_labels, n_groups), alike in product(SIZES, ALIKE):
        targets, groups = made_up(n_rows, n_labels, n_groups, alike=alike)
        alone = differences(targets, groups, make_folds(targets, n_folds=N_FOLDS, seed=0))
        started = time.perf_counter()
        folds = make_folds(targets, n_folds=N_FOLDS, seed=0, groups=groups)
        seconds = time.perf_counter() - started
        kept = differences(targets, groups, folds)
        lines.append(
            f"| {n_rows:,} × {n_labels}, {n_groups:,} | {alike:.0%} | {seconds:.2f}"
            f" | {told(alone)} | {told(kept)} | {int((kept.min(axis=0) <= -100 / N_FOLDS).sum())} |"
        )
    write_section("folds", "\n".join(lines))


def made_up(n_rows: int, n_labels: int, n_groups: int, *, alike: float) -> tuple[Targets, IntArray]:
    """Rows with the labels of their group, but for a share of cells that are their own."""
    rng = np.random.default_rng(0)
    weight = np.where(np.arange(n_groups) % 50 == 0, 10.0, 1.0)
    groups = rng.choice(n_groups, n_rows, p=weight / weight.sum())
    rates = 0.3 / np.arange(1, n_labels + 1) ** 0.8
    own, shared = rng.random((n_rows, n_labels)), rng.random((n_groups, n_labels))
    is_shared = rng.random(own.shape) < alike
    return (np.where(is_shared, shared[groups], own) < rates).astype(np.uint8), groups


def differences(targets: Targets, groups: IntArray, folds: IntArray) -> np.ndarray:
    """Of the share of each class in each fold above an equal one, (K, k), in percentage points."""
    in_groups = np.array([len(np.unique(groups[column == 1])) for column in targets.T])
    counts = np.stack([targets[folds == fold].sum(axis=0) for fold in range(N_FOLDS)])
    shares = counts / np.maximum(targets.sum(axis=0), 1)
    found: np.ndarray = 100 * (shares - 1 / N_FOLDS)[:, in_groups >= N_FOLDS]
    return found


def told(found: np.ndarray) -> str:
    """The mean and the largest difference."""
    return f"{np.abs(found).mean():.3f}, {np.abs(found).max():.2f}"


if __name__ == "__main__":
    main()
