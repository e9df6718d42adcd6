"""Maps of torch give what calibration maps give."""

from __future__ import annotations

import numpy as np
import pytest

from mmfeat.decide.calibration.calibrator import Calibrator, calibrate

pytest.importorskip("onnxscript", reason="needs mmfeat[onnx]")

import onnxruntime
import torch

from mmfeat.export.onnx.calibration import Calibration
from mmfeat.export.onnx.graph import export, finished

MAPS = (
    Calibrator("isotonic", (0.2, 0.5, 0.1, 0.7)),
    Calibrator(),
    Calibrator("beta", (1.2, 0.4, -0.3)),
    Calibrator("platt", (0.7, -0.2)),
    Calibrator("isotonic", (0.05, 0.3, 0.30001, 0.9, 0.0, 0.2, 0.8, 1.0)),
    Calibrator("isotonic", (0.5, 0.25)),
    Calibrator("platt", (1.5, 0.1)),
)


def test_maps_of_all_kinds_keep_their_columns() -> None:
    p = np.random.default_rng(0).random((500, len(MAPS))).astype(np.float32)
    p[:6] = np.array([0, 1, 0.3, 0.5, 1e-9, 0.2], np.float32)[:, None]
    found = Calibration(MAPS)(torch.from_numpy(p)).numpy()
    np.testing.assert_allclose(found, calibrate(MAPS, p), atol=1e-12)


def test_a_graph_keeps_all_digits_of_probabilities_near_0_and_1() -> None:
    p = np.array([1e-12, 1e-7, 0.5, 1 - 2**-23, 1], np.float32)[:, None].repeat(len(MAPS), axis=1)
    model = export(Calibration(MAPS), [torch.from_numpy(p)], inputs=["p"], outputs=["q"])
    (found,) = onnxruntime.InferenceSession(finished(model, {})).run(None, {"p": p})
    np.testing.assert_allclose(found, calibrate(MAPS, p), atol=1e-12)
