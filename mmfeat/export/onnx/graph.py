"""One graph of fusion, heads and calibration: torch exports it, and it says what it is."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import onnx
import onnx_ir
import onnxscript  # noqa: F401 - torch.onnx.export needs it
import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from torch import Tensor, nn

import mmfeat
from mmfeat.decide.decision import Decision
from mmfeat.errors import FitError
from mmfeat.export.onnx.calibration import Calibration
from mmfeat.export.onnx.inputs import Inputs
from mmfeat.export.onnx.models import module_of_model
from mmfeat.export.onnx.trees import number_trees, plant_trees
from mmfeat.fit.models.model import Model

OPSET = 20  # of ai.onnx
KEY = "mmfeat"  # of the metadata
MOST_BYTES = 2**31 - 2**20  # of an ONNX file, which is one message of protobuf
ROWS = "rows"  # the name of the first axis of everything
LOUD = ("torch.onnx", "torch.export", "onnx_ir", "onnxscript")  # loggers


class Graph(nn.Module):
    """Embeddings -> probabilities (n, k) and, where a decision has maps, calibrated ones."""

    def __init__(self, model: Model, inputs: Inputs, decision: Decision) -> None:
        super().__init__()
        self.scores, self.inputs = module_of_model(model), inputs
        self.calibration = Calibration(decision.calibration) if decision.calibration else None
        self.eval()

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs."""
        return ["probabilities", *(["calibrated"] if self.calibration else [])]

    def forward(self, *embeddings: Tensor) -> tuple[Tensor, ...]:
        """Predict rows (n, d) of each input."""
        probabilities = self.scores(self.inputs.rows(embeddings))
        if self.calibration is None:
            return (probabilities,)
        return probabilities, self.calibration(probabilities)

    def export(self, about: Mapping[str, Any]) -> bytes:
        """The graph as a file of ONNX; `about` becomes its metadata."""
        found = number_trees(self)
        example = [torch.zeros(2, width) for width in self.inputs.widths.values()]
        model = export(self, example, inputs=list(self.inputs.widths), outputs=self.outputs)
        plant_trees(model.graph, found)
        return finished(model, about)


def export(
    module: nn.Module, example: Sequence[Tensor], *, inputs: Sequence[str], outputs: Sequence[str]
) -> onnx_ir.Model:
    """Export a module of tensors with any number of rows; `example` has some."""
    shapes = torch.export.ShapesCollection()  # type: ignore[no-untyped-call]
    for tensor in example:
        shapes[tensor] = {0: torch.export.Dim(ROWS)}
    try:
        with _silent(), torch.no_grad():
            dynamic = shapes.dynamic_shapes(module, tuple(example))  # type: ignore[no-untyped-call]
            traced = torch.export.export(
                module, tuple(example), dynamic_shapes=dynamic, strict=False
            )
            program = torch.onnx.export(
                traced,
                dynamo=True,
                input_names=list(inputs),
                output_names=list(outputs),
                opset_version=OPSET,
                verbose=False,
            )
    except RuntimeError as error:
        raise FitError(
            "torch must be able to export each part of a model, for any number of rows",
            str(error).strip().partition("\n")[0],
            "export a bundle with --to",
        ) from error
    assert program is not None, "it was exported to memory"
    weights = [value.const_value for value in program.model.graph.initializers.values()]
    n_bytes = sum(weight.nbytes for weight in weights if weight is not None)
    if n_bytes > MOST_BYTES:
        raise FitError(
            "an ONNX file holds less than 2 GiB",
            f"this one would hold {n_bytes / 2**30:.1f} GiB",
            "export a bundle with --to, or leave out --with-encoder",
        )
    return program.model


@contextmanager
def _silent() -> Iterator[None]:
    """Hide what torch says about its own parts."""
    loggers = [logging.getLogger(name) for name in LOUD]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def finished(model: onnx_ir.Model, about: Mapping[str, Any]) -> bytes:
    """A checked file without the paths and lines of the code that made it, and with metadata."""
    ClearMetadataAndDocStringPass()(model)
    model.producer_name, model.producer_version = "mmfeat", mmfeat.__version__
    model.metadata_props[KEY] = json.dumps(about, ensure_ascii=False, allow_nan=False)
    proto = onnx_ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    content: bytes = proto.SerializeToString(deterministic=True)
    return content
