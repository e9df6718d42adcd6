"""The spread of the thresholds of a decision, and its scores class by class."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmfeat.core.parallel import thread_map
from mmfeat.decide.decision import Decision
from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.thresholds.choose import choose_thresholds
from mmfeat.decide.thresholds.separable import drawn
from mmfeat.metrics.sets import class_scores
from mmfeat.types import Targets

N_REFITS = 20  # resamples for thresholds that depend on one another
SEPARABLE = ("macro-f1", "f-beta")  # objectives with an independent cut per class
WIDTH = (0.05, 0.95)  # of the spread: the central 90 %


def spread(data: TuningData, objective: str, method: str) -> list[float | None]:
    """Width of the central 90 % of each class's threshold over resamples of the rows.

    None for a class that shares its threshold. Objectives that separate by class resample each
    class's best cut. The others choose all thresholds again on `N_REFITS` resamples, see
    `can_spread`.
    """
    data = data.of_known
    own = ~data.rare & can_spread(data, objective)
    if method == "fixed" or not own.any():
        return [0.0 if method == "fixed" else None] * data.n_labels
    if objective in SEPARABLE:
        classes = np.flatnonzero(own).tolist()
        best = thread_map(lambda j: drawn(data, j), classes)
        chosen = dict(zip(classes, best, strict=True))
    else:
        rng = np.random.default_rng(data.seed)
        n_rows = len(data.targets)
        refits = np.array(
            [
                choose_thresholds(
                    data.rows(np.sort(rng.integers(0, n_rows, n_rows))),
                    objective=objective,
                    method=method,
                )
                for _ in range(N_REFITS)
            ]
        )
        chosen = {j: refits[:, j] for j in range(data.n_labels)}
    return [
        float(np.subtract(*np.quantile(chosen[j], WIDTH[::-1]))) if own[j] else None
        for j in range(data.n_labels)
    ]


def can_spread(data: TuningData, objective: str) -> bool:
    """Whether the spread takes seconds: for large tables, choosing again takes minutes."""
    is_large = data.targets.size > data.limits.refitted_cells or data.has_many_classes
    return objective in SEPARABLE or not is_large


def per_class(
    decision: Decision,
    data: TuningData,
    predicted: dict[str, Targets],
    spreads: list[float | None],
) -> tuple[dict[str, Any], ...]:
    """Label, support, threshold, its spread, and F1 of each prediction; None without positives."""
    f1 = {name: class_scores(sets, data.targets).f1 for name, sets in predicted.items()}
    return tuple(
        {
            "label": label,
            "support": int(data.support[j]),
            "threshold": decision.thresholds[j],
            **{
                f"f1_{name}": None if np.isnan(values[j]) else float(values[j])
                for name, values in f1.items()
            },
            "spread": spreads[j],
        }
        for j, label in enumerate(decision.labels)
    )
