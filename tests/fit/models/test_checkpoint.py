"""An interrupted fit goes on at its fold, to the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmfeat.core.plugins import resolve
from mmfeat.fit.heads import HEADS
from mmfeat.runs.folds import Folds
from mmfeat.runs.folds.stratify import make_folds
from tests.support.fits.models import (
    N_FOLDS,
    make_features,
    make_model,
    make_single,
    out_of_fold,
    predict,
)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("fusion", ["concat", "late-stack"])
@pytest.mark.parametrize("n_kept", [0, 1, 2, 3])
def test_an_interrupted_fit_goes_on_to_the_same_numbers(
    head: str, fusion: str, n_kept: int, tmp_path: Path
) -> None:
    features = make_features()
    assert features.targets is not None
    folds = make_folds(features.targets, n_folds=N_FOLDS, seed=0)
    whole = make_model(head, fusion)
    expected = out_of_fold(whole, features)
    cut = make_model(head, fusion).cross_validate(features, Folds(folds), checkpoints=tmp_path)
    for _ in range(n_kept):
        next(cut)
    cut.close()  # type: ignore[attr-defined]
    resumed = make_model(head, fusion)
    np.testing.assert_array_equal(out_of_fold(resumed, features, tmp_path), expected)
    np.testing.assert_array_equal(
        predict(resumed.fit(features), features), predict(whole.fit(features), features)
    )


def test_kept_folds_are_not_fitted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features = make_features()
    expected = out_of_fold(make_model("mlp", "image"), features, tmp_path)
    head = resolve("mlp", HEADS, "head")
    monkeypatch.setattr(head, "_fit", None)
    np.testing.assert_array_equal(
        out_of_fold(make_model("mlp", "image"), features, tmp_path), expected
    )


def test_a_head_that_knows_its_epochs_is_refitted_beside_the_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = make_features()
    later = make_single("mlp", "image")
    out_of_fold(later, features)
    beside, resumed = (make_single("mlp", "image") for _ in range(2))
    out_of_fold(beside, features, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(resolve("mlp", HEADS, "head"), "_fit", None)
        beside.fit(features)
        out_of_fold(resumed, features, tmp_path)
        resumed.fit(features)
    expected = predict(later.fit(features), features)
    np.testing.assert_array_equal(predict(beside, features), expected)
    np.testing.assert_array_equal(predict(resumed, features), expected)


@pytest.mark.parametrize("settings", [{}, {"patience": "2"}])
def test_it_is_refitted_after_them_where_they_find_another_number(
    settings: dict[str, str], tmp_path: Path
) -> None:
    features = make_features()
    model = make_single("mlp", "image", epochs="6", **settings)
    out_of_fold(model, features, tmp_path)
    for fold in model.folds_:  # as where a loss has not stayed finite, or stopped falling
        fold.rounds_ = 2
    assert model.fit(features).fitted[0].rounds_ == 2
