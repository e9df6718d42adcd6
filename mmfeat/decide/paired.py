"""Two ways to decide the same rows: how they differ, overall and class by class, paired.

Both are judged on the same resamples (`mmfeat.decide.resampling`), so that the luck which they
share is no difference between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmfeat.decide.resampling import draw_counts, interval, n_resamples_of, resampled_values
from mmfeat.decide.thresholds import TuningData
from mmfeat.decide.thresholds.values import Tally, tally
from mmfeat.metrics.sets import ratio
from mmfeat.types import Float64Array, IntArray, Targets


@dataclass(frozen=True, kw_only=True)
class Decided:
    """Label sets of some rows.

    Attributes
    ----------
    sets
        Of shape (n, k), 0 or 1.
    folds
        Of shape (n,): the fold in which each row was held out; of a model that saw none of the
        rows, all of them are 0.
    """

    sets: Targets
    folds: IntArray


def paired_interval(
    objective: str, data: TuningData, one: Decided, other: Decided, *, difference: float
) -> tuple[float, float]:
    """The 95 % interval of a difference in an objective, `one` minus `other`."""
    ways = _ways(one, other)
    values = resampled_values(
        objective,
        data,
        {way: each.folds for way, each in zip(ways, (one, other), strict=True)},
        {"one": {ways[0]: one.sets}, "other": {ways[1]: other.sets}},
    )
    return interval(values["one"] - values["other"], difference)


def paired_classes(
    labels: Sequence[str], data: TuningData, one: Decided, other: Decided
) -> tuple[dict[str, Any], ...]:
    """The F1 of each class by both, their difference (`one` minus `other`), and its interval.

    The class that differs most comes first; one without positives has no values.
    """
    pair, ways = (one, other), _ways(one, other)
    f1 = [_class_f1(tally(data, each.sets))[0] for each in pair]
    differences = (f1[0] - f1[1]).tolist()
    parts: list[Float64Array] = []
    for block in draw_counts(
        {way: each.folds for way, each in zip(ways, pair, strict=True)},
        groups=data.groups,
        n_resamples=n_resamples_of(data.targets),
    ):
        resampled = {
            at: _class_f1(tally(data, pair[at].sets, counts))
            for way, counts in block
            for at in (0, 1)
            if ways[at] == way
        }
        parts.append(resampled[0] - resampled[1])
    values = np.concatenate(parts)
    rows = [
        {
            "label": label,
            "support": int(data.support[j]),
            "f1": [float(f1[0][j]), float(f1[1][j])],
            "difference": differences[j],
            "interval": list(interval(values[:, j], differences[j])),
        }
        if data.support[j]
        else {"label": label, "support": 0, "f1": None, "difference": None, "interval": None}
        for j, label in enumerate(labels)
    ]
    return tuple(sorted(rows, key=lambda row: -abs(row["difference"] or 0.0)))


def _ways(one: Decided, other: Decided) -> tuple[int, int]:
    """A number for the folds of each; equal folds have one."""
    return 0, int(not np.array_equal(one.folds, other.folds))


def _class_f1(counted: Tally) -> Float64Array:
    """F1 of each class, of shape (r, k)."""
    return ratio(2 * counted.hits, counted.chosen + counted.support, 0.0)
