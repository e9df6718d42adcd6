"""Calibrator: a rising map of one class's probabilities, as it is applied and stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmfeat.core.numeric import logit, sigmoid
from mmfeat.metrics.probability import SMALLEST
from mmfeat.types import Float64Array, RealArray


@dataclass(frozen=True)
class Calibrator:
    """A rising map of one class's probabilities: `identity`, `platt`, `beta` or `isotonic`.

    The `parameters` of `platt` are slope and offset of the logit; of `beta` the weights of ln p
    and −ln(1−p) and the offset; of `isotonic` m scores followed by their m values, with linear
    interpolation between them.
    """

    kind: str = "identity"
    parameters: tuple[float, ...] = ()

    def __call__(self, probabilities: RealArray) -> Float64Array:
        """Map `probabilities` of shape (n,) in [0, 1] to probabilities of shape (n,)."""
        p = probabilities.astype(np.float64)
        if self.kind == "identity":
            return p
        if self.kind == "isotonic":
            scores, values = np.split(np.array(self.parameters), 2)
            mapped: Float64Array = np.interp(p, scores, values)
            return mapped
        weights = np.array(self.parameters)
        # einsum starts no BLAS threads, which would compete with the threads of other classes
        logits = np.einsum("ij,j->i", FEATURES[self.kind](p), weights[:-1]) + weights[-1]
        return sigmoid(logits)

    def to_json(self) -> dict[str, Any]:
        """The entry in thresholds.json."""
        return {"kind": self.kind, "parameters": list(self.parameters)}


def calibrate(maps: tuple[Calibrator, ...], probabilities: RealArray) -> Float64Array:
    """Apply one map per class to `probabilities` of shape (n, k)."""
    mapped = probabilities.astype(np.float64)
    platt = [j for j, f in enumerate(maps) if f.kind == "platt"]
    if platt:  # all at once: there may be thousands
        slope, offset = np.array([maps[j].parameters for j in platt]).T
        logits = logit(mapped[:, platt], smallest=SMALLEST)
        mapped[:, platt] = sigmoid(logits * slope + offset)
    for j, f in enumerate(maps):
        if f.kind not in ("platt", "identity"):
            mapped[:, j] = f(probabilities[:, j])
    return mapped


def platt_features(p: RealArray) -> Float64Array:
    """The logit of each probability, of shape (n, 1)."""
    return logit(p, smallest=SMALLEST)[:, None]


def beta_features(p: RealArray) -> Float64Array:
    """Compute ln p and −ln(1−p) of each probability, of shape (n, 2)."""
    clipped = np.clip(p.astype(np.float64), SMALLEST, 1 - SMALLEST)
    return np.column_stack([np.log(clipped), -np.log1p(-clipped)])


FEATURES: dict[str, Callable[[RealArray], Float64Array]] = {
    "platt": platt_features,
    "beta": beta_features,
}
