"""Is a graph what it was made of? onnxruntime predicts rows of the store, and Python predicts them.

Calibrated probabilities are compared with the maps of the graph's own probabilities, because a
steep map makes a large difference of a rounded digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnxruntime

from mmfeat.core.memory import SLICE_ROWS, slices
from mmfeat.decide.calibration.calibrator import calibrate
from mmfeat.decide.decision import Decision
from mmfeat.errors import FitError
from mmfeat.export.onnx.graph import Graph
from mmfeat.fit.models.model import Model
from mmfeat.runs.config import FeatureSets
from mmfeat.types import FeatureRows, Features, RealArray

TOLERANCE = 1e-5  # greatest difference of a probability
BLANKED = 32  # rows that are predicted again without each of the modalities


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far a graph is from Python.

    Attributes
    ----------
    n_rows
        Of the store; some are compared again without each modality.
    difference
        The largest of a probability.
    n_changed
        Rows of the store whose label sets differ: a probability is within rounding of a threshold.
    """

    n_rows: int
    difference: float
    n_changed: int


def compare(
    content: bytes,
    graph: Graph,
    model: Model,
    decision: Decision,
    stores: Mapping[FeatureSets, FeatureRows],
) -> Agreement:
    """Compare a graph with the model that it was made of; raise `FitError` where they differ."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    n_rows, n_changed, largest = next(iter(stores.values())).n_rows, 0, 0.0
    for rows in slices(n_rows, size=SLICE_ROWS):
        features = {sets: stored.part(rows) for sets, stored in stores.items()}
        some = {sets: part.part(slice(BLANKED)) for sets, part in features.items()}
        blanked = [_without(some, name) for name in graph.inputs.modalities]
        for at, part in enumerate([features, *blanked]):
            expected = model.predict_proba(part)
            found, *mapped = session.run(graph.outputs, graph.inputs.feed(part))
            largest = max(largest, _difference(found, expected))
            for values in mapped:
                largest = max(largest, _difference(values, calibrate(decision.calibration, found)))
            if largest > TOLERANCE:
                raise FitError(
                    f"an ONNX graph gives the probabilities of the run to {TOLERANCE:g}",
                    f"they differ by {largest:.1e}, so nothing was written",
                    "export a bundle with --to, or fit another head or fusion",
                )
            if at == 0:
                sets = decision.decide(found, decode="thresholds")
                n_changed += int(
                    (sets != decision.decide(expected, decode="thresholds")).any(axis=1).sum()
                )
    return Agreement(n_rows=n_rows, difference=largest, n_changed=n_changed)


def _difference(one: RealArray, other: RealArray) -> float:
    """The largest; what is no number differs from everything."""
    differences = np.abs(one.astype(np.float64) - other)
    return float(np.nan_to_num(differences, nan=np.inf).max(initial=0.0))


def _without(
    features: Mapping[FeatureSets, Features], modality: str
) -> dict[FeatureSets, Features]:
    """The same rows without a modality."""
    return {
        sets: replace(
            part,
            embeddings={
                name: tuple(
                    np.full_like(array, np.nan) if name == modality else array for array in arrays
                )
                for name, arrays in part.embeddings.items()
            },
        )
        for sets, part in features.items()
    }
