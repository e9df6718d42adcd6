"""Ridge regression: rows that are left out by arithmetic are those of fits without them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmfeat.fit.heads.ridge import Ridge
from mmfeat.fit.heads.solvers import left_out
from mmfeat.fit.heads.solvers.least_squares import Fits, sums_of
from mmfeat.metrics.probability import log_loss
from mmfeat.types import UNKNOWN, Fused
from tests.support.fits.heads import BLOCKS, draw
from tests.support.fits.streaming import Noted

CPU = torch.device("cpu")
PENALTIES = np.array([0.01, 1.0])


def test_a_row_left_out_by_its_leverage_is_left_out() -> None:
    x, y = draw(40)
    rows = np.arange(40)
    fits = Fits(sums_of(x, y, rows, CPU), PENALTIES)
    values = torch.from_numpy(x)
    found = fits.scores_without(values, y, rows) + fits.rates
    for row in (0, 17):
        others = np.delete(rows, row)
        centred = x[others] - x[others].mean(axis=0)
        whole = x - x.mean(axis=0)
        scale = np.linalg.eigvalsh(whole.T @ whole).mean()
        for point, penalty in enumerate(PENALTIES * scale):
            rate = y[others].mean(axis=0)
            gram = centred.T @ centred + penalty * np.eye(x.shape[1])
            slopes = np.linalg.solve(gram, centred.T @ (y[others] - rate))
            alone = rate + (x[row] - x[others].mean(axis=0)) @ slopes
            np.testing.assert_allclose(found[point, row], alone, atol=1e-4)


@pytest.mark.parametrize("label", [0, 1])
def test_a_group_left_out_by_its_block_is_left_out(label: int) -> None:
    x, y = draw(60)
    rows, groups = np.arange(60), np.repeat(np.arange(30), [1] * 10 + [2] * 15 + [4] * 5)
    y[np.random.default_rng(1).random(60) < 0.2, 1] = UNKNOWN
    fits = Fits(sums_of(x, y, rows, CPU), PENALTIES)
    values = torch.from_numpy(x)
    found = fits.scores_without(values, y, groups)
    known = y[:, label] != UNKNOWN
    share, rate = known.mean(), y[known, label].mean()
    centred = (x - x.mean(axis=0)).astype(np.float64)
    scale = np.linalg.eigvalsh(centred.T @ centred).mean()
    with_ones = np.column_stack([centred, np.ones(60)])
    above = np.where(known, y[:, label] - rate, 0) / share
    for group in (3, 12, 28):
        inside, weights = groups == group, known[groups == group] / share
        for point, penalty in enumerate(PENALTIES * scale):
            gram = with_ones.T @ with_ones + penalty * np.diag([1.0] * x.shape[1] + [0])
            own = with_ones[inside].T
            without = gram - (own * weights) @ own.T
            slopes = np.linalg.solve(without, with_ones[~inside].T @ above[~inside])
            told = (with_ones[inside] @ slopes)[known[inside]]
            np.testing.assert_allclose(found[point, inside, label][known[inside]], told, atol=1e-4)


@pytest.mark.parametrize("most", [300, 150])
@pytest.mark.parametrize("cheap", [0, 1 << 22])
def test_rows_are_left_out_by_blocks_or_in_parts(
    cheap: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("CHEAP", cheap), ("PARTS_COST", 0), ("MOST_ROWS", most), ("PORTION", 40)):
        monkeypatch.setattr(left_out, name, value)
    x, y = draw(300)
    rows = np.arange(300)
    fits, scores, truth = left_out.fit_and_leave_out(
        x, y, rows, groups=rows // 3, penalties=PENALTIES, seed=0, device=CPU
    )
    assert scores.shape == (2, most, y.shape[1]) and truth.shape == (most, y.shape[1])
    if most == 300:
        inside = fits.scores(torch.from_numpy(x)).numpy()
        np.testing.assert_array_equal(truth.sum(axis=0), y.sum(axis=0))
        for left, fitted in zip(scores, inside, strict=True):
            assert np.square(truth - left).mean() > np.square(y - fitted).mean()


def test_sums_without_a_part_are_those_of_the_other_rows() -> None:
    x, y = draw(50)
    y[::3, 0] = UNKNOWN
    part, rest = np.arange(20), np.arange(20, 50)
    left = sums_of(x, y, np.arange(50), CPU) - sums_of(x, y, part, CPU)
    own = sums_of(x, y, rest, CPU)
    for one, other in ((left.gram, own.gram), (left.seen, own.seen), (left.hits, own.hits)):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_copies_in_one_group_do_not_make_a_penalty_too_small() -> None:
    rng = np.random.default_rng(0)
    single = rng.normal(size=(60, 40)).astype(np.float32)
    labels = (single[:, :1] + 2 * rng.normal(size=(60, 1)) > 0).astype(np.uint8)
    x, y, groups = single.repeat(3, axis=0), labels.repeat(3, axis=0), np.arange(60).repeat(3)
    new = rng.normal(size=(500, 40)).astype(np.float32)
    truth = (new[:, :1] + 2 * rng.normal(size=(500, 1)) > 0).astype(np.uint8)
    apart, together = (
        log_loss(Ridge().fit(x, y, groups=given).predict_proba(new), truth)
        for given in (None, groups)
    )
    assert together < apart - 0.1  # type: ignore[operator]


@pytest.mark.parametrize("grouped", [False, True])
def test_a_stream_gives_what_rows_in_memory_give(grouped: bool) -> None:
    x, y = draw(300)
    y[::4, 1] = UNKNOWN
    groups = np.arange(300) // 3 if grouped else None
    rows = np.flatnonzero(np.arange(300) % 5)
    held, streamed = (
        next(Ridge().fit_folds(Fused(values=v, blocks=BLOCKS, groups=groups), y, [rows]))
        for v in (x, Noted(x, 50))
    )
    np.testing.assert_allclose(held.predict_proba(x), streamed.predict_proba(x), atol=1e-5)
