"""A run becomes one ONNX file, which is written when it was found to predict as the run does."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmfeat.core.files import replacing
from mmfeat.core.workspace import Workspace
from mmfeat.decide.decision import Decision
from mmfeat.errors import ConfigError
from mmfeat.export.onnx.compare import Agreement, compare
from mmfeat.export.onnx.graph import OPSET, Graph
from mmfeat.export.onnx.inputs import Inputs
from mmfeat.fit.models.model import load_model
from mmfeat.predict.scores import open_split
from mmfeat.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class OnnxFile:
    """An ONNX file that was written.

    Attributes
    ----------
    path, n_bytes
        Where it is, and its size.
    opset
        The version of its operators.
    inputs
        The width of each input, by name.
    agreement
        How far it is from Python.
    """

    path: Path
    n_bytes: int
    opset: int
    inputs: dict[str, int]
    agreement: Agreement


def write_onnx(run: Run, path: Path, *, overwrite: bool = False) -> OnnxFile:
    """Write fusion, heads and calibration of a run as one graph.

    It is compared on the split that the run was fitted on. Raises `FitError` for a part that has
    no graph and for a graph that predicts otherwise, `ConfigError` where something is at `path`,
    `RunError` and `StoreError` for files that are missing or damaged.
    """
    _check_place(path, overwrite=overwrite)
    model, decision = load_model(run), run.decision
    with ExitStack() as stack, replacing(path) as partial:
        partial.touch()  # a folder that cannot be written into is told at once
        space = Workspace(run.folder.parent.parent)
        stores = open_split(model, run, space, run.config.split, stack)
        inputs = Inputs.of(model.reads, stores)
        graph = Graph(model, inputs, decision)
        content = graph.export(_about(run, inputs, decision))
        agreement = compare(content, graph, model, decision, stores)
        partial.write_bytes(content)
    return OnnxFile(
        path=path, n_bytes=len(content), opset=OPSET, inputs=inputs.widths, agreement=agreement
    )


def _check_place(path: Path, *, overwrite: bool) -> None:
    if not path.exists() or (path.is_file() and overwrite):
        return
    is_file = path.is_file()
    raise ConfigError(
        "an ONNX file is a new file",
        f"{path} {'is there already' if is_file else 'is something else'}",
        "give --overwrite, or another --to-onnx" if is_file else "choose another --to-onnx",
    )


def _about(run: Run, inputs: Inputs, decision: Decision) -> dict[str, Any]:
    """What the metadata says: all that is needed to decide, and what the numbers are."""
    stores = run.provenance["stores"]
    return {
        "run": run.name,
        "head": run.config.head,
        "fusion": run.config.fusion,
        "encoders": [store["encoder"] for store in stores],
        "labels": list(run.labels),
        "thresholds": list(decision.thresholds),
        "objective": decision.objective,
        "method": decision.method,
        "decode": decision.decode,
        "calibrated": bool(decision.calibration),
        "inputs": inputs.widths,
        "missing": "a row of NaN",
    }
