from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from mmfeat.decide.ap_intervals import class_ap_intervals, resampled_ap
from mmfeat.metrics.ranking import class_ap
from mmfeat.types import FloatArray, Targets


def scene(n: int, k: int = 5) -> tuple[FloatArray, Targets]:
    """Probabilities with ties, and targets of which every class has positives."""
    rng = np.random.default_rng(0)
    targets = (rng.random((n, k)) < 0.35).astype(np.uint8)
    targets[:2] = [[1] * k, [0] * k]
    noisy = 0.5 * targets + 0.6 * rng.random((n, k))
    return np.round(np.clip(noisy, 0, 1), 1).astype(np.float32), targets


@pytest.mark.parametrize("cells", [1, 200, 2**20])
def test_a_resample_is_worth_what_scikit_learn_gives_weighted_rows(cells: int) -> None:
    p, targets = scene(60)
    counts = np.random.default_rng(1).poisson(1.0, (7, 60)).astype(np.uint8)
    counts[3, targets[:, 0] == 1] = 0
    found = resampled_ap(p[:, 0], targets[:, 0], counts, cells=cells)
    for value, weights in zip(found, counts, strict=True):
        if (weights * targets[:, 0]).any():
            expected = average_precision_score(targets[:, 0], p[:, 0], sample_weight=weights)
            assert value == pytest.approx(expected)
    assert np.isnan(found).tolist() == [False] * 3 + [True] + [False] * 3


def test_intervals_hold_the_average_precision_and_shrink_with_rows() -> None:
    widths = []
    for n in (2000, 100):
        p, targets = scene(n)
        found = class_ap_intervals(p, targets, n_resamples=100)
        ap = class_ap(p, targets)
        assert ((found[:, 0] < ap) & (ap < found[:, 1])).all()
        widths.append(np.diff(found).mean())
    assert widths[0] < widths[1] / 2


def test_without_positives_or_probabilities_there_is_no_interval() -> None:
    p, targets = scene(100)
    targets[:, 1] = 0
    found = class_ap_intervals(p, targets, n_resamples=5)
    assert np.isnan(found[1]).all() and np.isfinite(found[[0, 2, 3, 4]]).all()
    blind = class_ap_intervals(None, targets)
    assert blind.shape == (5, 2) and np.isnan(blind).all()


def test_folds_and_groups_widen_the_interval() -> None:
    p, targets = scene(400, k=20)
    rows = np.repeat(np.arange(400), 5)  # each row five times: the sample is of 400 groups
    one = class_ap_intervals(p, targets)
    naive = class_ap_intervals(p[rows], targets[rows])
    grouped = class_ap_intervals(p[rows], targets[rows], groups=rows)
    np.testing.assert_allclose(grouped, one)
    assert np.diff(naive).mean() < 0.6 * np.diff(one).mean()
    folds = np.arange(400) % 5
    assert np.diff(class_ap_intervals(p, targets, folds=folds)).mean() > np.diff(one).mean()
