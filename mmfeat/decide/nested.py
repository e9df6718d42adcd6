"""The nested estimate of a decision: each fold is decided with what the other folds chose.

Tuned scores are optimistic on the rows they were tuned on. Here every row is decided with
thresholds chosen on other rows. `tune`, `compare`, `search` and `report` judge every candidate by
this estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmfeat.decide.calibration.calibrator import Calibrator
from mmfeat.decide.decision import Decision
from mmfeat.decide.thresholds import HALF, SAMPLED, TuningData
from mmfeat.decide.thresholds.choose import choose_thresholds, method_of
from mmfeat.decide.thresholds.evaluate import value_of
from mmfeat.decide.thresholds.samples import drawn_rows
from mmfeat.types import IntArray, Targets


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A way to decide: the method that chooses thresholds, and the decode."""

    method: str
    decode: str = "thresholds"


@dataclass(frozen=True, kw_only=True)
class Nested:
    """The result of a candidate on held-out folds.

    Attributes
    ----------
    sets
        Label sets of shape (n, k), 0 or 1; each row is decided with what the other folds chose.
    value
        The objective over all rows.
    by_fold
        The objective in each fold, in the order of the fold numbers.
    """

    sets: Targets
    value: float
    by_fold: tuple[float, ...]


def nested(
    data: TuningData,
    folds: IntArray,
    objective: str,
    candidate: Candidate | None = None,
    *,
    calibrations: tuple[tuple[Calibrator, ...], ...] = (),
) -> Nested:
    """Estimate a candidate; None: thresholds by the objective's default method.

    `folds` is of shape (n,), with two distinct values at least. `calibrations` are the maps fitted
    without each fold, in the order of the fold numbers; empty: the raw probabilities are used.
    """
    chosen = candidate or Candidate(method=method_of(objective, None))
    sets = np.empty_like(data.targets)
    numbers = np.unique(folds)
    by_fold = []
    for place, number in enumerate(numbers):
        inside = folds == number
        decision = Decision(
            labels=tuple(map(str, range(data.n_labels))),
            thresholds=_thresholds(data, np.flatnonzero(~inside), objective, chosen),
            objective=objective,
            method=chosen.method,
            calibration=calibrations[place] if calibrations else (),
        )
        judged = data.rows(inside)
        sets[inside] = decision.decide(judged.probabilities, decode=chosen.decode)
        by_fold.append(value_of(objective, judged, sets[inside]))
    return Nested(sets=sets, value=value_of(objective, data, sets), by_fold=tuple(by_fold))


def _thresholds(
    data: TuningData, rest: IntArray, objective: str, candidate: Candidate
) -> tuple[float, ...]:
    """The thresholds chosen on the rows `rest`; expected F1 needs none."""
    if candidate.decode != "thresholds":
        return (HALF,) * data.n_labels
    if candidate.method in SAMPLED:  # a copy of all rows would need much memory
        rest = rest[drawn_rows(data, len(rest))]
    found = choose_thresholds(data.rows(rest), objective=objective, method=candidate.method)
    return tuple(found.tolist())
