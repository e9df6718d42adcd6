"""LightGBM by blocks of rows: the sample for its bins, its memory, its messages."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest

from mmfeat.errors import FitError
from mmfeat.fit.heads.lightgbm import BIN_ROWS, ChosenRows, LightGBM
from mmfeat.types import Fused
from tests.support.fits.streaming import Noted


@pytest.mark.parametrize("seed", [0, 7])
def test_lightgbm_samples_the_rows_that_it_samples_of_an_array(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_rows = BIN_ROWS + 500
    x = rng.normal(size=(n_rows, 3)).astype(np.float32)
    label = (x[:, 0] + rng.normal(size=n_rows) > 0).astype(np.float32)
    params = LightGBM(seed=seed)._params(1)
    plain = {key: value for key, value in params.items() if key != "data_random_seed"}
    array = lightgbm.Dataset(x, label=label, params=plain)
    rows = lightgbm.Dataset(ChosenRows(x, np.arange(n_rows)), label=label, params=params)
    one, other = (lightgbm.train(plain, data, 3).predict(x) for data in (array, rows))
    np.testing.assert_array_equal(one, other)


def test_what_lightgbm_raises_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*_: object, **__: object) -> None:
        raise lightgbm.basic.LightGBMError("std::bad_alloc")

    monkeypatch.setattr(lightgbm, "train", train)
    x = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    with pytest.raises(
        FitError, match=r"reports: std::bad_alloc; if memory ran out, fit fewer rows"
    ):
        LightGBM(trees=1).fit(x, (x[:, :1] > 0).astype(np.uint8), blocks=(2,))


def test_lightgbm_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).normal(size=(30_000, 2)).astype(np.float32)
    y = (x[:, :1] > 0).astype(np.uint8)
    LightGBM(trees=1).fit(x, y, blocks=(2,))  # so many rows that it warns of its sample
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(("bins", "buffer_rows"), [(63, 13), (300, 25)])
def test_lightgbm_refuses_more_rows_than_bins_have_memory_for(bins: int, buffer_rows: int) -> None:
    x = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    y = (x[:, :1] > 0).astype(np.uint8)
    head = LightGBM(trees=1, bins=bins)
    assert head.fit(Noted(x, buffer_rows), y, blocks=(2,)).predict_proba(x).shape == (400, 1)
    few = Noted(x, buffer_rows - 1)
    with pytest.raises(
        FitError, match=r"400 rows × 2 numbers .* fit 384 rows or fewer.* 1\.1 times"
    ):
        next(head.fit_folds(Fused(values=few, blocks=(2,)), y, [np.arange(300)] * 2))
    assert few.most == 0
