"""The forecast of a decision: the objective on a new test of some number of rows.

The interval of an estimate says how far it may be from the objective on all rows there are. A test
of few rows varies by itself, so its score lies in a wider interval, which is given here.
"""

from __future__ import annotations

import numpy as np

from mmfeat.core.checks import check_range
from mmfeat.decide.decision import Decision
from mmfeat.decide.resampling import TAILS, resampled_values
from mmfeat.decide.thresholds import TuningData
from mmfeat.types import OutOfFold, Targets

MOST_ROWS = 10**9  # of a test; its counts have 32 bits


def judging_data(scores: OutOfFold, decision: Decision) -> TuningData:
    """What label sets are judged with, for the objective of a decision."""
    return TuningData(
        probabilities=scores.probabilities,
        targets=scores.targets,
        beta=decision.options.get("beta", TuningData.beta),
        floor=decision.options.get("floor", TuningData.floor),
        groups=scores.groups,
    )


def forecast(
    scores: OutOfFold, decision: Decision, held_out: Targets, *, n_rows: int
) -> tuple[float, float]:
    """The central 95 % of the decision's objective on new tests of `n_rows` rows.

    `held_out`, (n, k), are the label sets that other folds decided, see `Decision.held_out`. They
    are judged on resamples of folds and rows, and each test is drawn from one of these with
    replacement, see `mmfeat.decide.resampling.resampled_values`. Heads and thresholds that learn
    from all rows may do a little better than these, which learned from the rows of the other folds.
    Raises `ConfigError` for `n_rows` beyond `MOST_ROWS`.
    """
    check_range("--for-rows", n_rows, 1, MOST_ROWS)
    values = resampled_values(
        decision.objective,
        judging_data(scores, decision),
        {0: scores.folds},
        {"nested": {0: held_out}},
        seed=int(decision.options.get("seed", 0)),
        for_rows=n_rows,
    )
    low, high = np.quantile(values["nested"], TAILS).tolist()
    return low, high
