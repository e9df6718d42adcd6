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
