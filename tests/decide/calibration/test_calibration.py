from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from mmfeat.decide.calibration import calibration
from mmfeat.decide.calibration.calibration import fit_calibration
from mmfeat.decide.calibration.calibrator import Calibrator, calibrate
from mmfeat.decide.calibration.kinds import FITS, fit_beta, fit_isotonic, fit_platt
from mmfeat.metrics.probability import class_calibration_error, class_log_loss
from mmfeat.types import FloatArray, IntArray, Targets

N = 4000


def scene(distort: float) -> tuple[FloatArray, Targets, IntArray]:
    """Two classes whose logits are `distort` times too large; 1 means calibrated."""
    rng = np.random.default_rng(0)
    logits = rng.normal(-1, 1.5, (N, 2))
    targets = (rng.random((N, 2)) < 1 / (1 + np.exp(-logits))).astype(np.uint8)
    p = 1 / (1 + np.exp(-distort * logits))
    return p.astype(np.float32), targets, np.arange(N) % 5


def reliability(p: NDArray[np.floating], targets: Targets) -> dict[str, float]:
    """Log-loss and calibration error, means over the classes."""
    return {
        "log_loss": class_log_loss(p, targets).mean(),
        "calibration_error": class_calibration_error(p, targets).mean(),
    }


def test_many_rows_are_fitted_as_few_are() -> None:
    p, targets, folds = scene(3)
    plain = fit_calibration(p, targets, folds)
    binned = fit_calibration(p, targets, folds, many=N - 1)
    assert [f.kind for f in binned.maps] == [f.kind for f in plain.maps]
    for found, expected in zip(binned.maps, plain.maps, strict=True):
        assert found.parameters == pytest.approx(expected.parameters, abs=1e-7)
    assert binned.after == pytest.approx(plain.after, abs=1e-9)


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    p, targets, folds = scene(3)
    serial = fit_calibration(p, targets, folds, nested=True)
    monkeypatch.setattr(calibration, "THREADED", 0)
    assert fit_calibration(p, targets, folds, nested=True) == serial


@pytest.mark.parametrize("many", [N // 2, 2 * N])
def test_maps_without_a_fold_are_those_of_the_other_folds(many: int) -> None:
    p, targets, folds = scene(3)
    p[:, 1] = 0.5 + 0.3 * np.sign(p[:, 1] - 0.5) * np.abs(2 * p[:, 1] - 1) ** 8  # not smooth
    found = fit_calibration(p, targets, folds, nested=True, many=many)
    assert {f.kind for f in found.maps} > {"isotonic"} and len(found.without) == 5
    for fold, maps in enumerate(found.without):
        rest = folds != fold
        alone = fit_calibration(p[rest], targets[rest], folds[rest], many=many)
        assert [f.kind for f in maps] == [f.kind for f in alone.maps] and alone.without == ()
        for one, other in zip(maps, alone.maps, strict=True):
            assert one.parameters == pytest.approx(other.parameters, rel=1e-12)


def test_calibrated_probabilities_are_left_alone() -> None:
    p, targets, folds = scene(1)
    found = fit_calibration(p, targets, folds)
    assert [f.kind for f in found.maps] == ["identity", "identity"]
    assert found.after == found.before == pytest.approx(reliability(p, targets))


def test_overconfident_probabilities_are_mended_out_of_fold_and_on_new_rows() -> None:
    p, targets, folds = scene(3)
    half = N // 2
    found = fit_calibration(p[:half], targets[:half], folds[:half])
    assert "identity" not in [f.kind for f in found.maps]
    assert found.before == pytest.approx(reliability(p[:half], targets[:half]))
    assert found.after["log_loss"] < found.before["log_loss"]
    assert found.after["calibration_error"] < found.before["calibration_error"] / 2
    new = reliability(calibrate(found.maps, p[half:]), targets[half:])
    assert new["log_loss"] < reliability(p[half:], targets[half:])["log_loss"]


def test_platt_is_a_logistic_regression_of_the_logit() -> None:
    p, targets, _ = scene(3)
    x = p[:, 0].astype(np.float64)
    found = fit_platt(x, targets[:, 0])
    assert found is not None
    logits = np.log(x / (1 - x))[:, None]
    expected = LogisticRegression(C=1e6, tol=1e-10).fit(logits, targets[:, 0])
    wanted = (expected.coef_[0, 0], expected.intercept_[0])
    assert found.parameters == pytest.approx(wanted, abs=5e-3)


def test_isotonic_is_that_of_scikit_learn() -> None:
    p, targets, _ = scene(3)
    x = np.round(p[:300, 0], 2).astype(np.float64)
    found = fit_isotonic(x, targets[:300, 0])
    assert found is not None
    expected = IsotonicRegression(y_min=1 / 302, y_max=1 - 1 / 302).fit(x, targets[:300, 0])
    grid = np.unique(x)
    np.testing.assert_allclose(found(grid), expected.predict(grid), atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(FITS)), st.integers(0, 999))
def test_every_map_rises_and_stays_a_probability(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = np.round(rng.random(40), rng.integers(1, 4))
    truth = (rng.random(40) < rng.random()).astype(np.uint8)
    found = FITS[kind](p, truth)
    if found is None:
        assert kind in ("platt", "beta")
        return
    values = found(np.linspace(0, 1, 101))
    assert ((values >= 0) & (values <= 1)).all()
    assert (np.diff(values) >= -1e-12).all()


def test_scores_that_fall_have_no_parametric_map() -> None:
    x = np.linspace(0.01, 0.99, 50)
    truth = (x < 0.5).astype(np.uint8)
    assert fit_platt(x, truth) is None and fit_beta(x, truth) is None


def test_classes_with_too_little_to_fit_are_left_alone() -> None:
    p, targets, folds = scene(3)
    targets[:, 0] = 0
    targets[:, 1] = 1
    assert [f.kind for f in fit_calibration(p, targets, folds).maps] == ["identity", "identity"]


def test_separable_scores_give_finite_maps() -> None:
    x = np.repeat([0.0, 1.0], 50)
    truth = np.repeat([0, 1], 50).astype(np.uint8)
    for fit in FITS.values():
        found = fit(x, truth)
        assert found is not None and np.isfinite(found.parameters).all()
        low, high = found(x)[[0, -1]]
        assert low < 0.1 and high > 0.9


def test_identity_gives_what_it_gets() -> None:
    p = np.array([0.0, 0.3, 1.0], dtype=np.float32)
    np.testing.assert_array_equal(Calibrator()(p), p.astype(np.float64))
    assert Calibrator().to_json() == {"kind": "identity", "parameters": []}


def test_coarse_maps_of_many_classes_are_close_to_exact_ones() -> None:
    p, targets, folds = scene(3)
    exact = fit_calibration(p, targets, folds)
    coarse = fit_calibration(p, targets, folds, nested=True, coarse=True)
    assert {f.kind for f in coarse.maps} <= {"platt", "identity"}
    assert coarse.after["log_loss"] == pytest.approx(exact.after["log_loss"], abs=0.01)
    # the map of a fold is fitted on the others
    for fold, maps in enumerate(coarse.without):
        rest = folds != fold
        for j, f in enumerate(maps):
            if f.kind == "platt":
                alone = fit_platt(p[rest, j], targets[rest, j])
                assert alone is not None
                np.testing.assert_allclose(f(p[:, j]), alone(p[:, j]), atol=2e-3)
