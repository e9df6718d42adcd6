"""Heads as estimators of scikit-learn: its own checks, and what people do with estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from mmfeat.core.plugins import resolve
from mmfeat.errors import ConfigError, FitError
from mmfeat.fit.heads import HEADS
from mmfeat.fit.heads.base import Head
from mmfeat.fit.heads.options import options_of

QUICK: dict[str, dict[str, Any]] = {
    "mlp": {"epochs": 3, "hidden": (8,)},
    "gmlp": {"epochs": 2, "width": 4},
    "lightgbm": {"trees": 3, "min_rows": 2},
}
FITS = [name for name in HEADS if not resolve(name, HEADS, "head").uses_prompts]

ONE_COLUMN = "its targets are one column of classes; those of a head are an indicator matrix"
OWN_ERROR = "a head raises FitError, a ValueError with rule, finding and remedy in its own words"
NOT_RUN: dict[str, str] = {
    **dict.fromkeys(
        (
            "check_fit_score_takes_y",
            "check_estimators_overwrite_params",
            "check_dont_overwrite_parameters",
            "check_estimators_fit_returns_self",
            "check_readonly_memmap_input",
            "check_n_features_in_after_fitting",
            "check_positive_only_tag_during_fit",
            "check_estimators_dtypes",
            "check_dtype_object",
            "check_f_contiguous_array_estimator",
            "check_classifier_data_not_an_array",
            "check_classifiers_classes",
            "check_classifier_multioutput",
            "check_classifiers_train",
            "check_methods_sample_order_invariance",
            "check_methods_subset_invariance",
            "check_dict_unchanged",
            "check_n_features_in",
            "check_fit2d_predict1d",
            "check_fit_idempotent",
            "check_fit_check_is_fitted",
            "check_fit2d_1sample",
            "check_pipeline_consistency",
            "check_estimators_pickle",
            "check_supervised_y_2d",
        ),
        ONE_COLUMN,
    ),
    **dict.fromkeys(
        (
            "check_estimators_unfitted",
            "check_complex_data",
            "check_estimators_empty_data_messages",
            "check_classifiers_regression_target",
            "check_fit2d_1feature",
            "check_requires_y_none",
        ),
        OWN_ERROR,
    ),
}


def make(name: str, **options: Any) -> Head:
    head: Head = resolve(name, HEADS, "head")(**{**QUICK.get(name, {}), **options})
    return head


def draw(n_rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n_rows, 6)).astype(np.float32)
    return x, (x[:, :3] > 0).astype(np.uint8)


@parametrize_with_checks([make(name) for name in FITS])  # type: ignore[untyped-decorator]
def test_the_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    if reason := NOT_RUN.get(check.func.__name__):
        pytest.skip(reason)
    check(estimator)


@pytest.mark.parametrize("name", HEADS)
def test_clones_have_the_options_and_nothing_else(name: str) -> None:
    head = make(name, seed=3)
    copy = clone(head)
    assert copy == head and copy is not head
    assert copy.get_params() == head.get_params()
    assert set(head.get_params()) == set(options_of(type(head)))
    assert vars(make(name)).keys() == head.get_params().keys()
    assert is_classifier(head)
    with pytest.raises(ConfigError, match="nonsense"):
        head.set_params(nonsense=1)


@pytest.mark.parametrize("name", FITS)
def test_label_sets_are_the_probabilities_of_a_half_or_more(name: str) -> None:
    x, y = draw()
    head = make(name).fit(x, y)
    assert head.n_features_in_ == 6 and head.classes_.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(head.predict(x), head.predict_proba(x) >= 0.5)
    assert head.predict(x).dtype == y.dtype
    assert 0 <= head.score(x, y) <= 1


@pytest.mark.parametrize("name", FITS)
def test_pipelines_and_cross_validation_of_scikit_learn(name: str) -> None:
    x, y = draw()
    model = make_pipeline(StandardScaler(), make(name))
    scores = cross_val_predict(model, x, y, cv=KFold(3), method="predict_proba")
    assert scores.shape == y.shape and np.isfinite(scores).all()
    scaled = StandardScaler().fit(x[20:])
    alone = make(name).fit(scaled.transform(x[20:]), y[20:])
    np.testing.assert_allclose(
        scores[:20], alone.predict_proba(scaled.transform(x[:20])), atol=1e-6
    )


def test_a_grid_search_finds_an_option() -> None:
    x, y = draw()
    found = GridSearchCV(make("knn"), {"neighbours": [1, 50]}, cv=3).fit(x, y)
    assert found.best_params_["neighbours"] in (1, 50)


@pytest.mark.parametrize("name", FITS)
def test_a_second_fit_forgets_the_first(name: str) -> None:
    x, y = draw()
    twice = make(name).fit(-x[:40], y[:40]).fit(x, y)
    np.testing.assert_array_equal(twice.predict_proba(x), make(name).fit(x, y).predict_proba(x))


@pytest.mark.parametrize("name", FITS)
def test_wrong_arrays_are_one_clear_error(name: str) -> None:
    x, y = draw()
    broken = x.copy()
    broken[3, 1] = np.nan
    for features, targets in ((broken, y), (x[0], y), (x, y[:, 0]), (x, 2 * y)):
        with pytest.raises(FitError):
            make(name).fit(features, targets)
    with pytest.raises(FitError, match="not fitted"):
        make(name).predict(x)
    with pytest.raises(ConfigError, match="seed"):
        make(name, seed=-1).fit(x, y)
