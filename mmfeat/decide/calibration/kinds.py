"""The kinds of calibration maps: Platt, beta and isotonic, one function each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mmfeat.decide.calibration.calibrator import Calibrator, beta_features, platt_features
from mmfeat.decide.calibration.isotonic import Steps
from mmfeat.decide.calibration.logistic import logistic
from mmfeat.metrics.ranked import rising_order
from mmfeat.types import Float64Array, RealArray, Targets


def fit_platt(
    p: RealArray,
    truth: Targets,
    weights: Float64Array | None = None,
    start: Sequence[float] = (),
) -> Calibrator | None:
    """Logistic regression on the logit (Platt 1999); None if the map would not rise."""
    found = logistic(platt_features(p), truth, weights, start=start)
    return Calibrator("platt", tuple(found.tolist())) if found[0] > 0 else None


def fit_beta(
    p: RealArray,
    truth: Targets,
    weights: Float64Array | None = None,
    start: Sequence[float] = (),
) -> Calibrator | None:
    """Logistic regression on ln p and −ln(1−p) (Kull et al. 2017); None if the map would fall."""
    found = logistic(beta_features(p), truth, weights, start=start)
    rises = (found[:2] >= 0).all() and found[:2].any()
    return Calibrator("beta", tuple(found.tolist())) if rises else None


def fit_isotonic(p: RealArray, truth: Targets) -> Calibrator:
    """The rising step function of least squared error, with linear interpolation between steps."""
    order = rising_order(p)
    return Calibrator("isotonic", Steps.of([(p[order], truth[order])]).fit([0]))


SMOOTH = {
    "platt": fit_platt,
    "beta": fit_beta,
}  # these accept weights and a start
FITS: dict[str, Callable[[RealArray, Targets], Calibrator | None]] = {
    **SMOOTH,
    "isotonic": fit_isotonic,
}
